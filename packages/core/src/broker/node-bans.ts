import { type Answer, whenAnswered } from "../answer.ts";
import type { Ban } from "../bans/ban.ts";
import { BanList, type BanPage } from "../bans/ban-list.ts";
import type { BanStore } from "../bans/ban-store.ts";
import type { Clock } from "../ports.ts";

export interface NodeBansOptions {
  readonly clock: Clock;
  /** Names the node among all of all times. */
  readonly name: string;
  /** Tells the workers of the node. */
  tell(bans: readonly Ban[]): void;
  /** Tells the other nodes. */
  said(ban: Ban): void;
}

/** The bans of a node, as all of its workers and those of other nodes have them. */
export class NodeBans {
  readonly list: BanList;
  readonly #options: NodeBansOptions;
  #store: BanStore | undefined;

  constructor(options: NodeBansOptions) {
    this.#options = options;
    this.list = new BanList(options.clock);
  }

  /** From now on a ban holds when it is kept there, and not before. */
  keepIn(store: BanStore): void {
    this.#store = store;
  }

  /** @throws StarlingError `too_many_bans`, or `broker_unavailable` where it cannot be kept */
  say(app: string, user: string, until: number): Answer<void> {
    const next = () => this.list.next(app, user, until, this.#options.name);
    const kept = this.#store?.keep(app, user, (before) => {
      // What is said now has to be newer, also where this node has not heard of it.
      if (before !== undefined) this.learn([before]);
      return next();
    });
    return whenAnswered(kept ?? next(), (ban) => {
      this.learn([ban]);
      this.#options.said(ban);
    });
  }

  /** What another node says, or what was kept. */
  learn(bans: readonly Ban[]): void {
    const news = bans.filter((ban) => this.list.merge(ban));
    if (news.length > 0) this.#options.tell(news);
  }

  /** For workers: where bans are kept, those are known before the first is told. */
  page(after: string, limit: number): Answer<BanPage> {
    return whenAnswered(this.#store?.loaded, () => this.list.page(after, limit));
  }
}
