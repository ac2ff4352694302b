import { setTimeout as sleep } from "node:timers/promises";
import { pack, type Signal } from "../signalling-client.ts";
import type { ClientContext } from "./fault-client.ts";
import { UNAVAILABLE } from "./fault-client.ts";
import type { Sight } from "./history.ts";
import { numberIn, type Pause } from "./member-client.ts";
import type { Connect, MemberConnection, MemberEnd } from "./member-connection.ts";
import type { OpenMembership } from "./recorder.ts";

export interface ChurnHabits {
  /** How many channels it is in at first. */
  readonly size: number;
  /** Between two things that it does. */
  readonly pause: Pause;
}

/**
 * One connection that is a member of many channels at a time, and leaves, joins, changes its states and goes to other
 * nodes without end. Peers are all of version 2, and so is told of who is there by snapshots alone.
 */
export class ChurnClient {
  readonly name: string;
  readonly #context: ClientContext;
  readonly #channels: readonly string[];
  readonly #connect: Connect;
  readonly #pause: Pause;
  /** Where it wants to be. */
  readonly #wanted: Set<string>;
  /** Where it is, or is about to be, over the present connection. */
  readonly #memberships = new Map<string, OpenMembership>();
  #connection: MemberConnection | undefined;
  #number = 0;
  #isRestless = false;
  #isStopped = false;

  constructor(
    context: ClientContext,
    name: string,
    channels: readonly string[],
    connect: Connect,
    { size, pause }: ChurnHabits,
  ) {
    this.#context = context;
    this.#pause = pause;
    this.name = name;
    this.#channels = channels;
    this.#connect = connect;
    this.#wanted = new Set(context.random.some(channels, size));
  }

  /** Whether it is a member of all channels that it wants to be in, and of no others. */
  get isSettled(): boolean {
    const here = [...this.#memberships].filter(([, { from }]) => from !== undefined);
    return (
      here.length === this.#wanted.size && here.every(([channel]) => this.#wanted.has(channel))
    );
  }

  start(): void {
    void this.#live();
  }

  /** Whether it goes on leaving, joining and changing; otherwise it stays where it is, and comes back where it has to. */
  set isRestless(value: boolean) {
    this.#isRestless = value;
  }

  stop(): void {
    this.#isStopped = true;
    this.#connection?.[Symbol.dispose]();
  }

  async #live(): Promise<void> {
    const { random } = this.#context;
    while (!this.#isStopped) {
      await sleep(random.integer(...this.#pause));
      const connection = this.#connection;
      if (this.#isStopped) return;
      if (connection === undefined) await this.#open();
      else if (!this.isSettled) this.#joinAll(connection);
      else if (this.#isRestless) this.#act(connection);
    }
  }

  async #open(): Promise<void> {
    const { server } = this.#context;
    const options = { server, id: this.name, version: 2 } as const;
    const connection = await this.#connect(options).catch(() => undefined);
    if (connection === undefined) {
      this.#context.moveOn?.();
      return;
    }
    this.#connection = connection;
    connection.readWith((signal) => this.#take(connection, signal));
    void connection.ended.then((end) => this.#ended(end));
    if (this.#isStopped) connection[Symbol.dispose]();
    else this.#joinAll(connection);
  }

  #ended({ heardAt }: MemberEnd): void {
    // Others may have been told sooner that it was gone.
    const until = heardAt ?? this.#context.recorder.now();
    if (!this.#isStopped) {
      for (const membership of this.#memberships.values()) membership.until ??= until;
    }
    this.#memberships.clear();
    this.#connection = undefined;
    this.#context.moveOn?.();
  }

  #act(connection: MemberConnection): void {
    const { random } = this.#context;
    const chance = random.next();
    if (chance < 0.5) this.#change(connection, random.pick([...this.#wanted]));
    else if (chance < 0.7 && this.#wanted.size > 1) this.#leave(connection);
    else if (chance < 0.9) this.#wanted.add(random.pick(this.#channels));
    else connection[Symbol.dispose]();
  }

  #joinAll(connection: MemberConnection): void {
    const { recorder } = this.#context;
    for (const c of this.#wanted) {
      if (this.#memberships.has(c)) continue;
      const membership = recorder.membership(this.name, c);
      this.#memberships.set(c, membership);
      connection.send({ t: "control", op: "channel_join", c, pl: this.#state(membership) });
    }
  }

  #change(connection: MemberConnection, c: string): void {
    const membership = this.#memberships.get(c);
    if (membership === undefined) return;
    connection.send({ t: "control", op: "peer_state", c, pl: this.#state(membership) });
  }

  #leave(connection: MemberConnection): void {
    const { random, recorder } = this.#context;
    const c = random.pick([...this.#wanted]);
    const membership = this.#memberships.get(c);
    this.#wanted.delete(c);
    this.#memberships.delete(c);
    if (membership !== undefined) membership.until = recorder.now();
    connection.send({ t: "control", op: "peer_offline", c });
  }

  /** Something new about itself. */
  #state(membership: OpenMembership): Buffer {
    membership.state = ++this.#number;
    return pack({ id: this.name, n: this.#number });
  }

  #take(connection: MemberConnection, signal: Signal): void {
    if (this.#isStopped) return;
    const { op, c = "", p = "", pl } = signal;
    const membership = this.#memberships.get(c);
    switch (op) {
      case "channel_join":
        if (membership === undefined) break;
        membership.from = this.#context.recorder.now();
        connection.send({ t: "control", op: "peer_online", c });
        this.#change(connection, c);
        break;
      case "peer_online":
        this.#see(membership, "online", p);
        break;
      case "peer_state":
        this.#see(membership, "state", p, pl);
        break;
      case "peer_offline":
        this.#see(membership, "offline", p);
        break;
      case "snapshot":
        for (const member of signal.ms ?? []) this.#see(membership, "listed", member.p, member.pl);
        break;
      case "notice":
        break;
      case "error":
        this.#refused(signal);
        break;
      default:
        this.#context.recorder.troubles.push(`${this.name} got ${JSON.stringify(signal)}`);
    }
  }

  /** A join that was not possible at that moment is asked for again. */
  #refused({ c = "", code, msg }: Signal): void {
    const membership = this.#memberships.get(c);
    if (code !== UNAVAILABLE || membership === undefined) {
      this.#context.recorder.troubles.push(`${this.name} got ${code} ${msg} in ${c}`);
      return;
    }
    membership.until = this.#context.recorder.now();
    this.#memberships.delete(c);
  }

  /** What is heard before the answer to a join is of the time before. */
  #see(
    membership: OpenMembership | undefined,
    what: Sight["what"],
    member: string,
    state?: Uint8Array,
  ): void {
    if (membership?.from === undefined) return;
    const at = this.#context.recorder.now();
    membership.sights.push({ what, member, at, state: numberIn(state) });
  }
}
