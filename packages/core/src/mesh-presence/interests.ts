import { ByChannel } from "../hub/by-channel.ts";
import { each, excluding, including, type OneOrMany } from "../hub/one-or-many.ts";
import { channelHash } from "./hash.ts";
import type { Interest, Replica } from "./interest.ts";
import type { Peer } from "./peer.ts";

/** The channels whose members on other nodes are wanted here. */
export class Interests {
  readonly #channels = new ByChannel<Interest>();
  readonly #hashes = new Map<number, OneOrMany<Interest>>();
  /** Those that nobody watches, and that end by themselves. */
  readonly #unwatched = new Set<Interest>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get unwatched(): number {
    return this.#unwatched.size;
  }

  get(app: string, channel: string): Interest | undefined {
    return this.#channels.get(app, channel);
  }

  ofHash(hash: number): Iterable<Interest> {
    return each(this.#hashes.get(hash));
  }

  *all(): Iterable<Interest> {
    for (const [, , interest] of this.#channels.entries()) yield interest;
  }

  /** What is known of a node. */
  *replicasOf(peer: Peer): Iterable<Replica> {
    for (const { replicas } of this.all()) {
      const replica = replicas.get(peer);
      if (replica !== undefined) yield replica;
    }
  }

  add(app: string, channel: string): Interest {
    const hash = channelHash(app, channel);
    const interest: Interest = {
      app,
      channel,
      hash,
      replicas: new Map(),
      isWatched: false,
      endsAt: 0,
      waiting: undefined,
      deadline: undefined,
    };
    this.#channels.set(app, channel, interest);
    this.#hashes.set(hash, including(this.#hashes.get(hash), interest));
    this.#unwatched.add(interest);
    this.#size++;
    return interest;
  }

  watched(interest: Interest, isWatched: boolean): void {
    interest.isWatched = isWatched;
    if (isWatched) this.#unwatched.delete(interest);
    else this.#unwatched.add(interest);
  }

  delete(interest: Interest): void {
    const { app, channel, hash } = interest;
    this.#channels.delete(app, channel);
    this.#unwatched.delete(interest);
    this.#size--;
    const left = excluding(this.#hashes.get(hash), interest);
    if (left === undefined) this.#hashes.delete(hash);
    else this.#hashes.set(hash, left);
  }

  /** Those that nobody watches, and whose time is over. */
  ended(tick: number): Interest[] {
    return [...this.#unwatched].filter(({ endsAt }) => endsAt <= tick);
  }
}
