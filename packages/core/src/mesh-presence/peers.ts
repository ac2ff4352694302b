import type { Log } from "../ports.ts";
import type { MeshPresenceCounters } from "./counters.ts";
import { Departed } from "./departed.ts";
import { LEASE_TICKS } from "./heartbeat.ts";
import type { Beat, Incarnation } from "./messages.ts";
import { Peer } from "./peer.ts";

const MAX_PEERS = 1_000;
/** Characters of what a node says of itself that are kept; more are none of a Starling. */
const MAX_ABOUT = 4_096;

export interface PeersOptions {
  readonly own: Incarnation;
  readonly counters: MeshPresenceCounters;
  readonly log: Log;
  /** It was not there before. */
  came(peer: Peer): void;
  /** What of it is known may not be all: it is new, or a beat of it was lost. */
  arrived(peer: Peer): void;
  /** @param isSilent whether it may come back as it was */
  gone(peer: Peer, isSilent: boolean): void;
}

/** The other nodes of the mesh that are there. */
export class Peers {
  readonly #options: PeersOptions;
  readonly #peers = new Map<string, Peer>();
  readonly #departed = new Departed();

  constructor(options: PeersOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#peers.size;
  }

  /** Those that have the `MESH_ID` of this node, or of another one of them. */
  get namesakes(): number {
    const named = new Map<string, number>([[this.#options.own.node, 1]]);
    for (const { node } of this.#peers.values()) named.set(node, (named.get(node) ?? 0) + 1);
    const isDoubled = ({ node }: Peer) => (named.get(node) ?? 0) > 1;
    return [...this.#peers.values()].filter(isDoubled).length;
  }

  get(start: string): Peer | undefined {
    return this.#peers.get(start);
  }

  starts(): Iterable<string> {
    return this.#peers.keys();
  }

  all(): Iterable<Peer> {
    return this.#peers.values();
  }

  /** A node says that it is there; undefined where it said so before, or is not taken note of. */
  beat(start: string, beat: Beat, tick: number): Peer | undefined {
    const known = this.#peers.get(start);
    if (known !== undefined && beat.sequence <= known.sequence) return undefined;
    const peer = known ?? this.#arrive(start, beat);
    if (peer === undefined) return undefined;
    const isWhole = known !== undefined && beat.sequence === known.sequence + 1;
    peer.sequence = beat.sequence;
    peer.heardAt = tick;
    peer.now = beat.now;
    peer.channels = beat.channels;
    peer.about = beat.about.length > MAX_ABOUT ? "" : beat.about;
    if (!isWhole) this.#options.arrived(peer);
    return peer;
  }

  ended(peer: Peer): void {
    this.#departed.ended(peer.start);
    this.#remove(peer, false);
  }

  /** Those that were silent for too long are gone. */
  expire(tick: number): void {
    const { counters, log } = this.#options;
    for (const peer of [...this.#peers.values()]) {
      if (tick - peer.heardAt < LEASE_TICKS - 1) continue;
      counters.lost++;
      log.warn({ node: peer.node, start: peer.start }, "a node is silent: its members leave");
      this.#departed.silent(peer.start, peer.sequence);
      this.#remove(peer, true);
    }
  }

  #arrive(start: string, { node, since, sequence }: Beat): Peer | undefined {
    const { counters, log, own } = this.#options;
    const isBack = this.#departed.has(start);
    if (!this.#departed.returns(start, sequence)) return undefined;
    if (this.#peers.size >= MAX_PEERS) {
      counters.refused++;
      return undefined;
    }
    const namesakes = [...this.#peers.values()].filter((peer) => node !== "" && peer.node === node);
    const isDoubled = (isBack && namesakes.length > 0) || (node !== "" && node === own.node);
    if (isDoubled) {
      log.error({ node }, "two nodes that run have the same MESH_ID");
    } else if (namesakes.some((peer) => peer.since > since)) {
      this.#departed.superseded(start, sequence);
      return undefined;
    } else {
      for (const peer of namesakes) this.#supersede(peer);
    }
    const peer = new Peer(node, start, since);
    this.#peers.set(start, peer);
    log.info({ node, start }, "a node is in the mesh");
    this.#options.came(peer);
    return peer;
  }

  /** The node has begun anew, and what it had before is no more. */
  #supersede(peer: Peer): void {
    this.#options.counters.lost++;
    this.#departed.superseded(peer.start, peer.sequence);
    this.#remove(peer, false);
  }

  #remove(peer: Peer, isSilent: boolean): void {
    this.#peers.delete(peer.start);
    this.#options.gone(peer, isSilent);
  }
}
