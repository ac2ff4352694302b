import type { Ban } from "../bans/ban.ts";
import { BanList } from "../bans/ban-list.ts";
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

  constructor(options: NodeBansOptions) {
    this.#options = options;
    this.list = new BanList(options.clock);
  }

  /** @throws StarlingError `too_many_bans` */
  say(app: string, user: string, until: number): void {
    const ban = this.list.say(app, user, until, this.#options.name);
    this.#options.tell([ban]);
    this.#options.said(ban);
  }

  /** What another node says. */
  learn(bans: readonly Ban[]): void {
    const news = bans.filter((ban) => this.list.merge(ban));
    if (news.length > 0) this.#options.tell(news);
  }
}
