import { JetStreamApiCodes } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/nats-core";
import { StarlingError } from "@starling/protocol/errors.ts";
import type { Answer } from "../../answer.ts";
import type { Ban } from "../../bans/ban.ts";
import type { BanStore } from "../../bans/ban-store.ts";
import type { Random, TimerHandle } from "../../ports.ts";
import { fraction } from "../../random-fraction.ts";
import { BanBucket, type BanBucketOptions } from "./ban-bucket.ts";
import { isRefusedFor } from "./jetstream.ts";
import type { MeshLink } from "./link.ts";
import { within } from "./within.ts";

const FIRST_READ_MS = 2_000;
/** Milliseconds from one reading to the next, and by how much they differ among nodes. */
const READ_AGAIN_MS = 600_000;
const READ_JITTER_MS = 300_000;
/** Milliseconds until another attempt where it cannot be read. */
const RETRY_MS = 2_000;
/** Milliseconds for which others, whose clocks are behind, may still want what is over. */
const GRACE_MS = 60_000;
/** Milliseconds until JetStream is looked for again where there was none. */
const LOOK_AGAIN_MS = 30_000;
/** How often a ban is tried to be put where somebody else is quicker. */
const ATTEMPTS = 20;

export interface NatsBansOptions extends Omit<BanBucketOptions, "connection"> {
  /** Which has not come up yet. */
  readonly link: MeshLink;
  readonly random: Random;
  /** Milliseconds that workers of a node which starts wait for what was kept; default 2,000. */
  readonly firstReadMs?: number;
  /** Whether channels keep histories: then servers without JetStream are an outage. */
  readonly needsJetStream: boolean;
  /** Bans were found. */
  learn(bans: readonly Ban[]): void;
}

/**
 * Bans in a bucket of JetStream, which a node reads when its link comes up and every ten minutes or so: what is said
 * meanwhile it hears from the others. Where servers have no JetStream, bans are kept by the nodes alone.
 */
export class NatsBans implements BanStore {
  readonly #options: NatsBansOptions;
  readonly #read = Promise.withResolvers<void>();
  #loaded: Promise<void> | undefined;
  #bucket: Promise<BanBucket | undefined> | undefined;
  #timer: TimerHandle | undefined;
  /** Whether there was a bucket at any time: then not to find one is an outage. */
  #hadBucket = false;
  #isInMemory = false;
  #isAway = false;
  #isClosed = false;

  constructor(options: NatsBansOptions) {
    const { link, clock, firstReadMs = FIRST_READ_MS } = options;
    this.#options = options;
    const done = () => {
      this.#loaded = undefined;
    };
    this.#loaded = within(clock, firstReadMs, this.#read.promise).then(done, done);
    link.use({
      up: () => {
        this.#bucket = undefined;
        this.#next(0);
      },
      down: () => this.#stop(),
    });
  }

  get loaded(): Promise<void> | undefined {
    return this.#loaded;
  }

  keep(app: string, user: string, next: (kept: Ban | undefined) => Ban): Answer<Ban> {
    return this.#isInMemory ? next(undefined) : this.#keep(app, user, next);
  }

  close(): void {
    this.#isClosed = true;
    this.#stop();
    this.#read.resolve();
  }

  async #keep(app: string, user: string, next: (kept: Ban | undefined) => Ban): Promise<Ban> {
    try {
      const bucket = await this.#open();
      if (bucket === undefined) return next(undefined);
      for (let left = ATTEMPTS; left > 0; left--) {
        const kept = await bucket.get(app, user);
        const ban = next(kept?.ban);
        if (await bucket.put(ban, kept?.revision ?? 0)) return ban;
      }
      throw new StarlingError("broker_unavailable", "too many say something of this user");
    } catch (cause) {
      if (cause instanceof StarlingError) throw cause;
      // It may have been lost, and then it is made anew.
      this.#bucket = undefined;
      throw new StarlingError("broker_unavailable", "the ban cannot be kept", { cause });
    }
  }

  /** Undefined where there is no JetStream. */
  #open(): Promise<BanBucket | undefined> {
    const { connection } = this.#options.link;
    if (connection === undefined) return Promise.reject(new StarlingError("broker_unavailable"));
    if (this.#bucket === undefined) {
      const bucket = this.#found(connection);
      this.#bucket = bucket;
      bucket.catch(() => {
        if (this.#bucket === bucket) this.#bucket = undefined;
      });
    }
    return this.#bucket;
  }

  async #found(connection: NatsConnection): Promise<BanBucket | undefined> {
    const { log, settings, needsJetStream } = this.#options;
    try {
      const bucket = await BanBucket.open({ ...this.#options, connection });
      if (this.#isInMemory) log.info({}, "NATS has JetStream now: bans are kept from here on");
      this.#hadBucket = true;
      this.#isInMemory = false;
      return bucket;
    } catch (error) {
      // A domain that cannot be reached is not one that does not exist.
      const mayBeMissing = !this.#hadBucket && !needsJetStream && settings.domain === undefined;
      if (!mayBeMissing || !isWithoutJetStream(error, connection)) throw error;
      if (!this.#isInMemory) {
        log.warn({}, "NATS has no JetStream: bans are in memory, and end with the last node");
      }
      this.#isInMemory = true;
      return undefined;
    }
  }

  /** Takes note of all that is kept, and removes what is over. */
  async #round(): Promise<void> {
    const { log, link } = this.#options;
    const { number } = link;
    const isOver = () => this.#isClosed || link.connection === undefined || link.number !== number;
    try {
      if (this.#isInMemory) this.#bucket = undefined;
      const bucket = await this.#open();
      if (bucket !== undefined) await this.#readAll(bucket);
      this.#read.resolve();
      if (this.#isAway) log.info({}, "bans can be kept again");
      this.#isAway = false;
      const readAgainMs = READ_AGAIN_MS + READ_JITTER_MS * fraction(this.#options.random);
      if (!isOver()) this.#next(bucket === undefined ? LOOK_AGAIN_MS : readAgainMs);
    } catch (cause) {
      // Whoever is there after that begins anew.
      if (isOver()) return;
      this.#bucket = undefined;
      if (!this.#isAway) {
        const error = new StarlingError("broker_unavailable", String(cause), { cause });
        log.error({ error, code: error.code }, "bans cannot be kept; trying again");
      }
      this.#isAway = true;
      this.#next(RETRY_MS);
    }
  }

  async #readAll(bucket: BanBucket): Promise<void> {
    const { clock, learn } = this.#options;
    for await (const part of bucket.all()) {
      learn(part.flatMap(({ ban }) => ban ?? []));
      const over = clock.now() - GRACE_MS;
      for (const kept of part) {
        if (kept.ban !== undefined && kept.ban.keptUntil < over) await bucket.remove(kept);
      }
    }
  }

  #next(ms: number): void {
    this.#stop();
    this.#timer = this.#options.clock.setTimeout(() => void this.#round(), ms);
  }

  #stop(): void {
    if (this.#timer !== undefined) this.#options.clock.clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}

function isWithoutJetStream(error: unknown, { info }: NatsConnection): boolean {
  if (isRefusedFor(error, JetStreamApiCodes.JetStreamNotEnabledForAccount)) return true;
  // The library does not export the class.
  return String(error).startsWith("JetStreamNotEnabled") && info?.jetstream !== true;
}
