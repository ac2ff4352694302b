import type { Ban } from "../bans/ban.ts";
import type { BanList } from "../bans/ban-list.ts";
import { readBan } from "../bans/codec.ts";
import type { Clock, Random, TimerHandle } from "../ports.ts";
import { fraction } from "../random-fraction.ts";
import type { NodeQuestions } from "./questions.ts";
import type { ReachTransport } from "./transport.ts";
import { countIn, fieldsOf, listIn, textIn } from "./values.ts";

/** Milliseconds from one digest to the next, and by how much they differ among nodes. */
const DIGEST_MS = 4_000;
const DIGEST_JITTER_MS = 2_000;
/** Milliseconds after which nodes whose link came back at the same time have theirs, too. */
const BACK_MS = 500;
/** Milliseconds for which a page is waited for. */
const PAGE_MS = 2_000;
/** Bans on one page, which has to fit a message of NATS. */
const PAGE_BANS = 500;

export interface BanSyncOptions {
  readonly transport: ReachTransport;
  readonly questions: NodeQuestions;
  readonly clock: Clock;
  readonly random: Random;
  /** The bans of this node. */
  readonly list: BanList;
  /** Others have told of bans. */
  learn(bans: readonly Ban[]): void;
}

/**
 * Brings bans to all nodes: each is told to all at once, and nodes that say by a digest that they know others
 * are asked for theirs. So a ban holds on a node that starts later, and after a partition on both sides.
 */
export class BanSync {
  readonly #options: BanSyncOptions;
  #timer: TimerHandle;
  #isPulling = false;

  constructor(options: BanSyncOptions) {
    this.#options = options;
    this.#timer = this.#next(DIGEST_MS, DIGEST_JITTER_MS);
  }

  said(ban: Ban): void {
    this.#options.transport.send("all", {
      type: "word",
      method: "bans",
      argument: { bans: [ban] },
    });
  }

  /** A node that is new knows nothing yet of what this one does, and the other way round. */
  came(start: string): void {
    this.#tellDigest({ start });
  }

  /** Something may have been lost in both directions while the link was down. */
  linkUp(): void {
    this.#options.clock.clearTimeout(this.#timer);
    this.#timer = this.#next(BACK_MS, BACK_MS);
  }

  /** Somebody tells of bans. */
  told(argument: unknown): void {
    this.#options.learn(listIn(fieldsOf(argument), "bans").map(readBan));
  }

  /** A node says what it knows, in short. */
  compared(start: string, argument: unknown): void {
    const fields = fieldsOf(argument);
    const [count, hash] = [countIn(fields, "count"), countIn(fields, "hash")];
    const own = this.#options.list.digest;
    if (count === own.count && hash === own.hash) return;
    if (!this.#isPulling) void this.#pull(start);
  }

  /** What is asked for by `pull`. */
  page(argument: unknown): unknown {
    return this.#options.list.page(textIn(fieldsOf(argument), "after"), PAGE_BANS);
  }

  close(): void {
    this.#options.clock.clearTimeout(this.#timer);
  }

  async #pull(start: string): Promise<void> {
    const { questions } = this.#options;
    this.#isPulling = true;
    try {
      for (let after: string | undefined = ""; after !== undefined; ) {
        const answer = fieldsOf(await questions.ask(start, "bans", { after }, PAGE_MS));
        this.told(answer);
        const next = textIn(answer, "next");
        after = next > after ? next : undefined;
      }
    } catch {
      // It is gone or silent; the next digest, of whomever, brings another attempt.
    } finally {
      this.#isPulling = false;
    }
  }

  #tellDigest(to: "all" | { readonly start: string }): void {
    const { transport, list } = this.#options;
    const { count, hash } = list.digest;
    if (count === 0) return;
    transport.send(to, { type: "word", method: "digest", argument: { count, hash } });
  }

  #next(ms: number, jitterMs: number): TimerHandle {
    const { clock, random } = this.#options;
    return clock.setTimeout(
      () => {
        this.#timer = this.#next(DIGEST_MS, DIGEST_JITTER_MS);
        this.#tellDigest("all");
      },
      ms + jitterMs * fraction(random),
    );
  }
}
