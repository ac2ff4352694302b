import type { AfterTurn, Clock, Random } from "../ports.ts";
import { fractionBelowOne } from "../random-fraction.ts";
import type { MeshPresenceCounters } from "./counters.ts";
import { Dots } from "./dots.ts";
import { MAX_HASH } from "./hash.ts";
import { type Interest, isComplete, knownOf, type Replica, replicaOf } from "./interest.ts";
import type { Interests } from "./interests.ts";
import type { Digest, MeshTransport, Want } from "./messages.ts";
import type { Delta } from "./own-channel.ts";
import type { Peer } from "./peer.ts";

/** Milliseconds after which is asked again what was not answered. */
const AGAIN_MS = 1_000;
/** Bytes of one question, about, and what a channel takes in it beside its name. */
const ASK_BYTES = 48 * 1024;
const WANT_BYTES = 16;
const RANGE_BYTES = 4;
/** Of more ranges than these only the first is told: what comes is then more than is missing. */
const MAX_RANGES = 1_000;
/** Channels beyond which it may be cheaper to be told which have changed; and how many marks cost as much as one question. */
const FEW_CHANNELS = 64;
const MARKS_FOR_ONE = 4;
const NOTHING = { floor: 0, context: Dots.none() };

export interface RepairsOptions {
  readonly interests: Interests;
  readonly transport: MeshTransport;
  readonly clock: Clock;
  readonly random: Random;
  readonly counters: MeshPresenceCounters;
  /** Milliseconds over which the questions of several nodes are spread. */
  readonly jitterMs: number;
}

/** Asks other nodes for what is not known of their members, until it is. */
export class Repairs {
  readonly #options: RepairsOptions;
  /** Of several questions to all, one message is made. */
  #asking: Interest[] = [];
  #number = 0;

  constructor(options: RepairsOptions) {
    this.#options = options;
  }

  /** A channel is wanted from now on. */
  want(peer: Peer, interest: Interest): void {
    peer.incomplete.add(replicaOf(interest, peer));
    // In case that the answer is lost.
    this.#schedule(peer, AGAIN_MS);
  }

  /** Asks all nodes for a channel of which nothing is known. */
  ask(interest: Interest, afterTurn: AfterTurn): void {
    this.#asking.push(interest);
    if (this.#asking.length > 1) return;
    afterTurn(() => {
      const asked = this.#asking.filter((each) => this.#isCurrent(each));
      this.#asking = [];
      const wants = asked.map(({ app, channel }) => ({ app, channel, known: NOTHING }));
      this.#send({ to: "all" }, wants, true);
    });
  }

  /** Anything may have changed at a node. */
  suspect(peer: Peer): void {
    peer.isCompared = false;
    for (const interest of this.#options.interests.all()) {
      const replica = replicaOf(interest, peer);
      replica.wanted = Math.max(replica.wanted, peer.now);
      if (isComplete(replica)) continue;
      peer.incomplete.add(replica);
      peer.suspected.add(replica);
    }
    this.#scheduleSoon(peer);
  }

  /** Asks at once for what has been in doubt since the node arrived, and somebody waits for. */
  hurry(peer: Peer): void {
    const waited = [...peer.suspected].filter(
      (replica) => replica.interest.waiting !== undefined && peer.incomplete.has(replica),
    );
    peer.suspected.clear();
    this.#send({ to: "node", start: peer.start }, waited.map(wantOf), true);
  }

  /** Something has happened in a channel that has this hash. */
  changed(peer: Peer, hash: number, last: number): void {
    for (const interest of this.#options.interests.ofHash(hash)) {
      const replica = replicaOf(interest, peer);
      replica.wanted = Math.max(replica.wanted, last);
      this.heard(peer, replica);
    }
  }

  /** Something was said of a channel; where that was not all, the rest is asked for. */
  heard(peer: Peer, replica: Replica): void {
    if (isComplete(replica)) {
      peer.incomplete.delete(replica);
      return;
    }
    peer.incomplete.add(replica);
    this.#scheduleSoon(peer);
  }

  /**
   * A node says in which of its channels what was the last event.
   *
   * @param say takes what that says of a channel
   */
  compared(peer: Peer, digest: Digest, say: (interest: Interest, delta: Delta) => void): void {
    const { low, high, now } = digest;
    const marks = new Map(digest.marks);
    for (const replica of [...peer.incomplete]) {
      const { interest } = replica;
      const { hash } = interest;
      if (hash < low || hash > high) continue;
      const last = marks.get(hash);
      const { floor, isWhole } = knownOf(replica);
      // Either nobody is in it, or nothing has happened in it since.
      if (last === undefined) say(interest, nothingBut(1, now));
      else if (isWhole && floor >= last) say(interest, nothingBut(floor + 1, now));
    }
    if (high < MAX_HASH) return;
    peer.isCompared = true;
    if (peer.repair === undefined) return;
    this.#options.clock.clearTimeout(peer.repair);
    peer.repair = undefined;
    this.#scheduleSoon(peer);
  }

  forget(peer: Peer): void {
    if (peer.repair !== undefined) this.#options.clock.clearTimeout(peer.repair);
    peer.repair = undefined;
    peer.incomplete.clear();
    peer.suspected.clear();
  }

  #scheduleSoon(peer: Peer): void {
    const { random, jitterMs } = this.#options;
    if (peer.incomplete.size > 0)
      this.#schedule(peer, jitterMs * (0.1 + 0.9 * fractionBelowOne(random)));
  }

  #schedule(peer: Peer, delayMs: number): void {
    peer.repair ??= this.#options.clock.setTimeout(() => {
      peer.repair = undefined;
      this.#repair(peer);
    }, delayMs);
  }

  #repair(peer: Peer): void {
    const { random, transport, counters } = this.#options;
    const { incomplete, start, channels, isCompared } = peer;
    for (const replica of incomplete) {
      if (isComplete(replica) || !this.#isCurrent(replica.interest)) incomplete.delete(replica);
    }
    if (incomplete.size === 0) return;
    this.#schedule(peer, AGAIN_MS * (1 + fractionBelowOne(random)));
    const isCheaper = incomplete.size > FEW_CHANNELS && incomplete.size * MARKS_FOR_ONE > channels;
    if (isCheaper && !isCompared) {
      transport.send({ to: "node", start }, { type: "compare" });
      return;
    }
    counters.repaired += incomplete.size;
    this.#send({ to: "node", start }, [...incomplete].map(wantOf), false);
  }

  #send(
    address: { readonly to: "all" } | { readonly to: "node"; readonly start: string },
    all: readonly Want[],
    isUrgent: boolean,
  ): void {
    const { transport } = this.#options;
    let wants: Want[] = [];
    let bytes = 0;
    const flush = () => {
      if (wants.length === 0) return;
      this.#number++;
      transport.send(address, { type: "ask", number: this.#number, isUrgent, wants });
      [wants, bytes] = [[], 0];
    };
    for (const want of all) {
      wants.push(want);
      bytes +=
        WANT_BYTES +
        want.app.length +
        want.channel.length +
        RANGE_BYTES * want.known.context.ranges;
      if (bytes >= ASK_BYTES) flush();
    }
    flush();
  }

  #isCurrent(interest: Interest): boolean {
    return this.#options.interests.get(interest.app, interest.channel) === interest;
  }
}

function wantOf(replica: Replica): Want {
  const { app, channel } = replica.interest;
  const { floor, context: dots } = knownOf(replica);
  const context = dots.ranges <= MAX_RANGES ? dots.copy() : Dots.range(1, floor);
  return { app, channel, known: { floor, context } };
}

/** What is said where none of the members has to do with these events. */
export function nothingBut(first: number, last: number): Delta {
  const dots = Dots.range(first, last);
  return { heard: dots, context: dots.copy(), entries: [], news: [] };
}
