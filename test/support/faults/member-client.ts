import { setTimeout as sleep } from "node:timers/promises";
import { within } from "../deadline.ts";
import { eventPayload, pack, type Signal, unpack } from "../signalling-client.ts";
import { type ClientContext, FaultClient, UNAVAILABLE } from "./fault-client.ts";
import type { Sight } from "./history.ts";
import type { Connect, MemberConnection } from "./member-connection.ts";
import { contentOf, type OpenMembership, type OpenPublication } from "./recorder.ts";

/** How often a member publishes, in milliseconds from one answer to the next message. */
export type Pause = readonly [number, number];

/** Longer than a gateway may take to refuse what it cannot hand on. */
const ANSWER_MS = 10_000;

export interface MemberTransport {
  readonly version: 1 | 2;
  /** Chosen anew whenever it connects. */
  readonly connects: readonly Connect[];
}

/** A client of the signalling protocol, a member of all its channels, which may publish. */
export class MemberClient extends FaultClient {
  readonly version: 1 | 2;
  /** How often it came back over another transport than before. */
  changes = 0;
  readonly #connects: readonly Connect[];
  readonly #memberships = new Map<string, OpenMembership>();
  readonly #unanswered = new Map<number, OpenPublication>();
  readonly #answered = new Map<number, () => void>();
  /** The channels of joins that wait for their answer. */
  readonly #joins = new Map<number, string>();
  /** Of the state that it says next. */
  #number = 0;
  /** By channel. */
  readonly #epochs = new Map<string, string>();
  #requests = 0;
  #client: MemberConnection | undefined;
  #isNoticed = false;

  constructor(
    context: ClientContext,
    name: string,
    channels: readonly string[],
    { version, connects }: MemberTransport,
  ) {
    super(context, name, channels);
    this.version = version;
    this.#connects = connects;
  }

  start(): void {
    void this.#run();
  }

  /** Publishes, one message after the other, until `until` resolves; waits for each answer. */
  async publish(until: AbortSignal, pause: Pause): Promise<void> {
    const { random, recorder } = this.context;
    while (!until.aborted && !this.isStopped) {
      await sleep(random.integer(...pause));
      const client = this.#client;
      if (client === undefined || !this.isSubscribed) continue;
      const { node } = this.context;
      const publication = recorder.publication(this.name, random.pick(this.channels), false, node);
      const id = ++this.#requests;
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#unanswered.set(id, publication);
      this.#answered.set(id, resolve);
      const content = JSON.stringify(contentOf(publication, random.integer(0, 200)));
      client.send({ t: "data", c: publication.channel, pl: eventPayload("n", content), id });
      await within(promise, `an answer to ${publication.number} of ${this.name}`, ANSWER_MS).catch(
        (error: unknown) => recorder.troubles.push(String(error)),
      );
    }
  }

  /** Whether it knows that it is a member. */
  isMemberOf(channel: string): boolean {
    return this.stays.get(channel)?.from !== undefined;
  }

  protected disconnect(): void {
    this.#client?.[Symbol.dispose]();
  }

  protected loseConnection(): void {
    this.#client?.[Symbol.dispose]();
  }

  async #run(): Promise<void> {
    const { random } = this.context;
    let last: Connect | undefined;
    while (this.isReturning) {
      const { server } = this.context;
      const connect = random.pick(this.#connects);
      const options = { server, id: this.name, version: this.version };
      const client = await connect(options).catch(() => undefined);
      if (client !== undefined) {
        if (last !== undefined && connect !== last) this.changes++;
        last = connect;
        await this.#live(client);
      }
      await this.pause();
    }
  }

  async #live(client: MemberConnection): Promise<void> {
    if (this.isStopped) {
      client[Symbol.dispose]();
      return;
    }
    const { recorder } = this.context;
    this.#client = client;
    this.#isNoticed = false;
    this.beginStays();
    for (const c of this.channels) {
      this.#memberships.set(c, recorder.membership(this.name, c));
      this.#number++;
      this.#join(client, c);
    }
    client.readWith((signal) => this.#take(client, signal));
    const { heardAt, ...end } = await client.ended;
    this.#client = undefined;
    this.#unanswered.clear();
    for (const resolve of this.#answered.values()) resolve();
    this.#answered.clear();
    // Others may have been told sooner that it was gone.
    const until = heardAt ?? recorder.now();
    if (!this.isStopped) {
      for (const membership of this.#memberships.values()) membership.until = until;
    }
    this.#memberships.clear();
    this.connectionEnded({ ...end, isNoticed: this.#isNoticed });
  }

  #join(client: MemberConnection, c: string): void {
    const pl = this.#state(c);
    client.send({ t: "control", op: "channel_join", c, pl, ...this.#wanted(c) });
  }

  /** Where it goes on in a channel; with an id, so that it is told how. */
  #wanted(channel: string): Pick<Signal, "id" | "ep" | "off"> {
    if (this.context.recovers !== true || this.version === 1) return {};
    const id = ++this.#requests;
    this.#joins.set(id, channel);
    const position = this.positions.get(channel);
    if (position === undefined) return { id };
    const { epoch: ep, offset: off } = partsOf(position);
    return { id, ep, off };
  }

  /** What it says of itself in a channel. */
  #state(channel: string): Buffer {
    const membership = this.#memberships.get(channel);
    if (membership !== undefined) membership.state = this.#number;
    return pack({ id: this.name, n: this.#number });
  }

  #take(client: MemberConnection, signal: Signal): void {
    if (this.isStopped) return;
    const { t, op, c = "", p = "", id = 0, off } = signal;
    if (t === "data") {
      const { data } = Object(unpack(signal.pl ?? pack({})));
      const ep = this.#epochs.get(c);
      const position = ep === undefined || off === undefined ? undefined : `${ep}.${off}`;
      this.receive(JSON.parse(String(data)), position, position);
      return;
    }
    switch (op) {
      case "channel_join":
        this.#joined(client, c);
        break;
      case "peer_online":
        this.#see(c, "online", p);
        client.send({ t: "control", op: "peer_state", c, pl: this.#state(c) });
        break;
      case "peer_state":
        this.#see(c, "state", p, signal.pl);
        break;
      case "peer_offline":
        this.#see(c, "offline", p);
        break;
      case "snapshot":
        for (const member of signal.ms ?? []) this.#see(c, "listed", member.p, member.pl);
        break;
      case "ack":
        if (this.#joins.delete(id)) this.#begun(signal);
        else this.#settle(id, true);
        break;
      case "error":
        this.context.recorder.failures.push({
          publisher: this.name,
          at: this.context.recorder.now(),
          reason: `${signal.code} ${signal.msg}`,
        });
        this.#settle(id, false);
        this.#refused(client, signal);
        break;
      case "notice":
        this.#isNoticed = true;
        break;
      default:
        this.context.recorder.troubles.push(`${this.name} got ${JSON.stringify(signal)}`);
    }
  }

  #isJoining(channel: string): boolean {
    const stay = this.stays.get(channel);
    return stay !== undefined && stay.from === undefined;
  }

  async #joinLater(client: MemberConnection, c: string): Promise<void> {
    // The attempt that failed came to an end, of which others may have been told.
    const membership = this.#memberships.get(c);
    if (membership !== undefined) membership.until = this.context.recorder.now();
    this.#memberships.delete(c);
    await this.pause();
    if (client !== this.#client || this.isStopped) return;
    this.#memberships.set(c, this.context.recorder.membership(this.name, c));
    this.#join(client, c);
  }

  #joined(client: MemberConnection, c: string): void {
    const membership = this.#memberships.get(c);
    if (membership !== undefined) membership.from = this.context.recorder.now();
    // Where it recovers, the answer that follows says how the stay has begun.
    if (this.context.recovers !== true || this.version === 1) this.acknowledge(c);
    client.send({ t: "control", op: "peer_online", c });
    this.#number++;
    client.send({ t: "control", op: "peer_state", c, pl: this.#state(c) });
  }

  #begun({ c = "", ep, off, rec }: Signal): void {
    if (ep !== undefined) this.#epochs.set(c, ep);
    const position = ep === undefined || off === undefined ? undefined : `${ep}.${off}`;
    this.acknowledge(c, { position, recovered: rec });
  }

  /** A join that was not possible at that moment is asked for again. */
  #refused(client: MemberConnection, signal: Signal): void {
    const { id = 0, code } = signal;
    const asked = this.#joins.get(id);
    const channel = signal.c ?? asked ?? "";
    this.#joins.delete(id);
    if (code === UNAVAILABLE && this.#isJoining(channel)) void this.#joinLater(client, channel);
    else if (asked !== undefined) {
      this.context.recorder.troubles.push(`${this.name} may not join ${asked}: ${code}`);
    }
  }

  #see(channel: string, what: Sight["what"], member: string, state?: Uint8Array): void {
    const at = this.context.recorder.now();
    const sight = { what, member, at, state: numberIn(state) };
    this.#memberships.get(channel)?.sights.push(sight);
  }

  #settle(id: number, isOk: boolean): void {
    const publication = this.#unanswered.get(id);
    if (publication !== undefined) {
      publication.endedAt = this.context.recorder.now();
      if (isOk) publication.answeredAt = publication.endedAt;
    }
    this.#unanswered.delete(id);
    this.#answered.get(id)?.();
    this.#answered.delete(id);
  }
}

/** The number in a state, where there is one. */
export function numberIn(state: Uint8Array | undefined): number | undefined {
  const { n } = Object(state && unpack(state));
  return typeof n === "number" ? n : undefined;
}

function partsOf(position: string): { readonly epoch: string; readonly offset: number } {
  const dot = position.lastIndexOf(".");
  return { epoch: position.slice(0, dot), offset: Number(position.slice(dot + 1)) };
}
