import type { Clock, Log } from "@starling/core/ports.ts";
import { SocketCalls } from "./reuseport.ts";
import { ownGroups, type ReusePortGroup, refreshed, sameMembers } from "./reuseport-groups.ts";
import { dropNewConnections, spreadOver } from "./reuseport-program.ts";

/** A server that is about to stop listening. */
export interface LeavingServer {
  readonly port: number;
  /** Closes the listening socket before it returns, as `stop` of Bun's servers does. */
  close(): void;
}

export interface LeavePortOptions {
  readonly clock: Clock;
  readonly log: Log;
  /**
   * Milliseconds from the moment when new connections go elsewhere until the sockets are closed;
   * 750 by default. Handshakes under way end in this time, and a client whose first packet was
   * dropped sends it again only after a second, when somebody else listens.
   */
  readonly settleMs?: number;
}

const DEFAULT_SETTLE_MS = 750;
/** How often the group is looked at, in milliseconds. */
const CHECK_MS = 50;
/** How much longer to wait, in milliseconds, for accept queues that do not empty. */
const QUEUE_GRACE_MS = 2_000;
/** How often at most the indices are looked for. */
const MAX_AIMS = 5;
/**
 * Segments, in bytes, by which a listener knows its own connections: fewer than connections within a
 * machine have, more than any network has, so that no client ever notices.
 */
const MARKED_SEGMENT = 32_000;
/** What the options of a TCP header may take of a segment, in bytes. */
const TCP_OPTION_BYTES = 40;

/**
 * Closes servers that share their ports with other processes, and loses no connection by it.
 *
 * Linux resets the connections that a closed listener has not accepted yet: it hands them to others
 * of the SO_REUSEPORT group only with the sysctl `net.ipv4.tcp_migrate_req`, which is off. So a
 * program that the group runs (socket(7), SO_ATTACH_REUSEPORT_CBPF) steers new connections to the
 * others first; what arrives here all the same is dropped for the client to repeat; and the sockets
 * are closed once the handshakes under way have ended.
 *
 * Every listener of this process on those ports has to be among the servers. One process of a group
 * may leave at a time; others may start and die meanwhile. Where something of this is not to be had
 * (other systems, musl, a sandbox) or nobody else listens, the servers are closed at once. Answers
 * when they are; rejected only where a `close` throws.
 */
export async function leavePort(
  servers: readonly LeavingServer[],
  options: LeavePortOptions,
): Promise<void> {
  const departures = await settle(servers, options);
  for (const departure of departures) departure.hold();
  try {
    for (const server of servers) server.close();
  } finally {
    for (const departure of departures) departure.release();
  }
}

/**
 * Ends what a process that was killed while it left may have left behind; for each process to call
 * once it listens. Should another one be leaving just now, it notices the newcomer and steers again.
 */
export function clearSteering(ports: readonly number[], log: Log): void {
  try {
    const calls = new SocketCalls();
    for (const group of ownGroups(new Set(ports))) {
      for (const { fd } of group.own) calls.detachSteering(fd);
    }
  } catch (error) {
    log.debug({ error }, "the port's steering cannot be cleared");
  }
}

async function settle(
  servers: readonly LeavingServer[],
  { clock, log, settleMs = DEFAULT_SETTLE_MS }: LeavePortOptions,
): Promise<Departure[]> {
  let departures: Departure[] = [];
  try {
    const calls = new SocketCalls();
    departures = ownGroups(new Set(servers.map((server) => server.port)))
      .filter((group) => group.listeners.length > group.own.length)
      .map((group) => new Departure(group, calls, log));
    await Promise.all(departures.map((departure) => departure.settle(clock, settleMs)));
  } catch (error) {
    log.debug({ error }, "the port is left without steering connections elsewhere");
  }
  return departures;
}

/** The way of this process out of one group. */
class Departure {
  #group: ReusePortGroup;
  /** The indices to steer to; none where they are not known. */
  #others: readonly number[] = [];
  /** Descriptors of its own for the sockets that the servers close. */
  #held: readonly number[] = [];
  readonly #calls: SocketCalls;
  readonly #log: Log;

  constructor(group: ReusePortGroup, calls: SocketCalls, log: Log) {
    this.#group = group;
    this.#calls = calls;
    this.#log = log;
  }

  /** Turns new connections away and waits until no old one is on its way to this process. */
  async settle(clock: Clock, settleMs: number): Promise<void> {
    this.#turnAway();
    let aims = 1;
    for (let waited = CHECK_MS; ; waited += CHECK_MS) {
      await pause(clock, CHECK_MS);
      const now = refreshed(this.#group);
      const aimed = this.#others.length > 0 && sameMembers(now, this.#group);
      if (!aimed && aims < MAX_AIMS) {
        // The indices have shifted, or this process was too busy to find its own.
        this.#group = now;
        this.#turnAway();
        aims++;
        waited = 0;
        continue;
      }
      this.#steer();
      const queued = now.own.some((listener) => listener.acceptQueue > 0);
      if (waited >= settleMs && (!queued || waited >= settleMs + QUEUE_GRACE_MS)) break;
    }
    if (this.#others.length > 0) return;
    this.#log.debug({}, "new connections could not be steered elsewhere, some wait a second");
  }

  /**
   * Keeps the sockets when their servers close them: only a member of the group can give the choice
   * back to the kernel, and a connection that comes between that and its end waits a second.
   */
  hold(): void {
    this.#held = this.#group.own.flatMap(({ fd }) => this.#calls.duplicate(fd) ?? []);
    const [any] = this.#group.own;
    // The process may have no descriptor left.
    if (this.#held.length === 0 && any !== undefined) this.#calls.detachSteering(any.fd);
  }

  /** Lets the kernel choose again and closes what was held; both in one turn of the event loop. */
  release(): void {
    for (const fd of this.#held) {
      this.#calls.detachSteering(fd);
      this.#calls.close(fd);
    }
  }

  #turnAway(): void {
    const { own } = this.#group;
    // The index is found by connections to this process, which must not be dropped.
    for (const { fd } of own) this.#calls.detachFilter(fd);
    this.#others = this.#othersIndices();
    this.#steer();
    for (const { fd } of own) this.#calls.attachFilter(fd, dropNewConnections());
  }

  /** Done again and again, for a newcomer may have cleared it. */
  #steer(): void {
    const [any] = this.#group.own;
    if (any === undefined) return;
    if (this.#others.length === 0) this.#calls.detachSteering(any.fd);
    else this.#calls.attachSteering(any.fd, spreadOver(this.#others));
  }

  /**
   * Where the others are in the group's array, nothing where that is not certain: steers everything
   * to one index after the other, for the microseconds that it takes to see in a connection's
   * segments whose listener is there.
   */
  #othersIndices(): number[] {
    const { own, listeners } = this.#group;
    for (const { fd } of own) this.#calls.setSegment(fd, MARKED_SEGMENT);
    const others = [...listeners.keys()].filter((index) => !this.#isOwn(index));
    for (const { fd } of own) this.#calls.setSegment(fd, 0);
    return others.length === listeners.length - own.length ? others : [];
  }

  #isOwn(index: number): boolean {
    const [any] = this.#group.own;
    if (any === undefined || !this.#calls.attachSteering(any.fd, spreadOver([index]))) return false;
    const segment = this.#calls.segmentTo(any.fd) ?? 0;
    return segment <= MARKED_SEGMENT && segment >= MARKED_SEGMENT - TCP_OPTION_BYTES;
  }
}

function pause(clock: Clock, ms: number): Promise<void> {
  return new Promise((done) => void clock.setTimeout(done, ms));
}
