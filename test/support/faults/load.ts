import { eventually } from "../deadline.ts";
import { checkDelivery, losses, type Violation } from "./delivery-checker.ts";
import { EventStreamClient } from "./event-stream-client.ts";
import type { FaultClient } from "./fault-client.ts";
import { BEAT_MS, type History, type Moment, type Stay } from "./history.ts";
import { HttpPublisher } from "./http-publisher.ts";
import { journeysOf } from "./journeys.ts";
import { checkKept } from "./kept-checker.ts";
import { localLosses } from "./local-checker.ts";
import { MemberClient, type MemberTransport, type Pause } from "./member-client.ts";
import { overWebSocket } from "./member-connection.ts";
import { NatsPublisher } from "./nats-publisher.ts";
import type { NodeUnderTest } from "./node-under-test.ts";
import { Place } from "./place.ts";
import { type Plan, USUAL, usesQuic } from "./plan.ts";
import { checkPresence, type PresenceLimits } from "./presence-checker.ts";
import { Recorder } from "./recorder.ts";
import { SeededRandom } from "./seeded-random.ts";
import { SocketIoClient, type StockWay } from "./socket-io-client.ts";
import { listedAt, wrongViews } from "./views.ts";
import { WebTransportProcess } from "./webtransport-process.ts";

/** The namespace of all channels, unless a plan says otherwise. */
const NAMESPACE = "demo";

const CHANNELS = 6;
const CHANNELS_OF_A_CLIENT = 2;
/** Milliseconds from an answer to the next message. */
const [EAGER, USUALLY, CALM] = [
  [1, 15],
  [20, 100],
  [50, 250],
] as const;
/** The same of members. */
const [MEMBERS, CALM_MEMBERS] = [[20, 120], CALM] as const;
/** Characters of each message of a back end that is calm, beside who said it. */
const CALM_PADDING = 50;
/** Who is refused for now asks again, for longer where a machine is busy. */
const CONNECT_MS = 30_000;
/** Longer than anything that is late on a busy machine; what is complete is not waited for. */
const SETTLE_MS = 25_000;
const OVERRUN_MS = 30_000;
const WHILE_MS = 25;
/** What is shown of the violations of a run that has many. */
const MAX_SHOWN = 15;

/** Real clients and publishers of one node or of a mesh, and the record of what they do and see. */
export class Load {
  readonly recorder = new Recorder();
  readonly clients: readonly FaultClient[];
  readonly members: readonly MemberClient[];
  readonly publishers: readonly HttpPublisher[];
  readonly backends: readonly NatsPublisher[];
  readonly channels: readonly string[];
  readonly random: SeededRandom;
  readonly #nodes: readonly NodeUnderTest[];
  readonly #memberPause: Pause;
  readonly #end = new AbortController();
  readonly #quic: WebTransportProcess | undefined;
  #publishing: Promise<unknown> = Promise.resolve();
  #beat: Timer | undefined;

  /** `natsUrl` is where back ends publish that do so straight over NATS. */
  constructor(nodes: readonly NodeUnderTest[], seed: number, plan: Plan = {}, natsUrl = "") {
    this.#nodes = nodes;
    const random = new SeededRandom(seed);
    this.random = random;
    const channels = Array.from(
      { length: CHANNELS },
      (_, index) => `${plan.namespace ?? NAMESPACE}:${seed}-${index}`,
    );
    this.channels = channels;
    this.#beatOn();
    const complete = { ...USUAL, ...plan };
    const { stock, streams, publishers, backends, quicSilentMs } = complete;
    if (usesQuic(plan)) this.#quic = new WebTransportProcess(quicSilentMs);
    const servers = nodes.map(({ process }) => process);
    const shared = () => ({ recorder: this.recorder, random: random.fork() });
    let contexts = 0;
    const context = () => {
      const recovers = plan.history !== undefined;
      const any = random.integer(0, nodes.length - 1);
      const home = plan.isSpread === true ? contexts++ % nodes.length : any;
      return new Place({ ...shared(), recovers }, servers, home, plan.isRoaming === true);
    };
    this.#memberPause = plan.isCalm === true ? CALM_MEMBERS : MEMBERS;
    this.recorder.isKept = plan.history !== undefined;
    const some = () => random.some(channels, CHANNELS_OF_A_CLIENT);
    const numbers = (count: number) => Array.from({ length: count }, (_, index) => index + 1);
    const quic = this.#quic === undefined ? [] : [this.#quic.connect];
    const crowd = (name: string, count: number, transport: MemberTransport) =>
      numbers(count).map((n) => new MemberClient(context(), `${name}-${n}`, some(), transport));
    this.members = [
      ...crowd("v2", complete.members, { version: 2, connects: [overWebSocket] }),
      ...crowd("v1", complete.oldMembers, { version: 1, connects: [overWebSocket] }),
      ...crowd("quic", complete.quicMembers, { version: 2, connects: quic }),
      ...crowd("either", complete.switchingMembers, {
        version: 2,
        connects: [overWebSocket, ...quic],
      }),
    ];
    const ways = Object.entries(stock) as [StockWay, number][];
    this.clients = [
      ...ways.flatMap(([way, count]) =>
        numbers(count).map((n) => new SocketIoClient(context(), `${way}-${n}`, some(), way)),
      ),
      ...numbers(streams).map((n) => new EventStreamClient(context(), `stream-${n}`, some())),
      ...this.members,
    ];
    const [eager, usual] = plan.isCalm === true ? [CALM, CALM] : [EAGER, USUALLY];
    const size = plan.isCalm === true ? { padding: CALM_PADDING } : {};
    const kinds = [true, false].flatMap((isKept) =>
      [true, false].map((isKeyed) => ({ isKept, isKeyed })),
    );
    // Who publishes often in few channels is at another node each time, and so are the others.
    this.publishers = kinds.flatMap((kind, index) =>
      numbers(publishers).map((n) => {
        const name = `${kind.isKept ? "kept" : "fresh"}-${kind.isKeyed ? "keyed" : "plain"}-${n}`;
        // Whoever publishes often in few channels shows soonest what is out of order.
        const habits = n === 1 ? { channels: some(), pause: eager } : { channels, pause: usual };
        const node = (index + n) % nodes.length;
        const server = servers[node] ?? random.pick(servers);
        return new HttpPublisher(
          { name, ...habits, ...kind, ...size },
          { ...shared(), server, node },
        );
      }),
    );
    const namespace = plan.history === undefined ? undefined : (plan.namespace ?? NAMESPACE);
    this.backends = numbers(backends).map((n) => {
      const habits = n === 1 ? { channels: some(), pause: eager } : { channels, pause: usual };
      const options = { name: `nats-${n}`, url: natsUrl, namespace, ...habits, ...size };
      return new NatsPublisher(options, shared());
    });
  }

  /** Those over WebTransport alone. */
  get quicMembers(): readonly MemberClient[] {
    return this.members.filter(({ name }) => name.startsWith("quic"));
  }

  /** Those that change between WebSocket and WebTransport. */
  get switchingMembers(): readonly MemberClient[] {
    return this.members.filter(({ name }) => name.startsWith("either"));
  }

  /** Connects all clients, and then begins to publish. */
  async start(): Promise<void> {
    for (const client of this.clients) client.start();
    await this.allSubscribed();
    this.#publish();
  }

  /** Begins to publish, and connects the clients meanwhile. */
  async startPublishing(): Promise<void> {
    this.#publish();
    for (const client of this.clients) {
      client.start();
      await Bun.sleep(this.random.integer(5, 40));
    }
    await this.allSubscribed();
  }

  #publish(): void {
    const { signal } = this.#end;
    this.#publishing = Promise.all([
      ...this.publishers.map((each) => each.publish(signal)),
      ...this.backends.map((each) => each.publish(signal)),
      ...this.members
        .filter(({ version }, index) => version === 2 && index % 2 === 0)
        .map((each) => each.publish(signal, this.#memberPause)),
    ]);
  }

  /** Resolves once every client that has not left for good is subscribed to all it wants. */
  async allSubscribed(): Promise<void> {
    const missing = () => this.clients.filter((each) => each.isReturning && !each.isSubscribed);
    await this.until("all clients are subscribed", () => missing().length === 0, CONNECT_MS).catch(
      (error: unknown) => {
        const names = missing().map(({ name }) => name);
        const refusals = this.recorder.failures.filter(({ publisher }) =>
          names.includes(publisher),
        );
        throw new Error(`${error}: ${names} ${JSON.stringify(refusals)}`);
      },
    );
  }

  /**
   * Resolves once every one of those clients has lost a connection: the last words of a process may
   * still be on their way when it is gone.
   */
  async allEnded(ms: number, clients: readonly FaultClient[] = this.clients): Promise<void> {
    const missing = () => {
      const ended = new Set(this.recorder.ends.map(({ client }) => client));
      return clients.filter(({ name }) => !ended.has(name));
    };
    await this.until("the clients were closed", () => missing().length === 0, ms).catch(
      (error: unknown) => {
        throw new Error(`${error}: ${missing().map(({ name }) => name)}`);
      },
    );
  }

  async until(what: string, condition: () => boolean, ms: number): Promise<void> {
    const attempt = async () => {
      await Bun.sleep(WHILE_MS);
      return condition() ? true : undefined;
    };
    await eventually(what, attempt, ms);
  }

  /** Stops the publishers and waits until everybody has what is owed, or does not get it. */
  async quiet(): Promise<History> {
    this.#end.abort();
    await this.#publishing;
    const answered = this.recorder.history().publications.filter(({ answeredAt }) => answeredAt);
    const silent = this.backends.filter(
      ({ name }) => !answered.some((each) => each.publisher === name),
    );
    this.recorder.troubles.push(...silent.map(({ name }) => `${name} has never had an answer`));
    const { publications, stays, reachMs } = this.recorder.history();
    const byChannel = Map.groupBy(publications, ({ channel }) => channel);
    const complete = new Set<Stay | undefined>();
    // Who has everything is not looked at again: on a busy machine that would take what the nodes need.
    const isComplete = () =>
      journeysOf(stays)
        .filter(({ stays }) => stays.at(-1)?.until === undefined && !complete.has(stays[0]))
        .every((journey) => {
          const published = byChannel.get(journey.channel) ?? [];
          if (losses(journey, published, { reachMs }).length > 0) return false;
          complete.add(journey.stays[0]);
          return true;
        });
    // What is still missing then is reported by the checker, with its reasons.
    await this.until("complete", isComplete, SETTLE_MS).catch(() => undefined);
    return this.recorder.history();
  }

  /**
   * Everything that went wrong, in sentences, once the run is over and it is quiet. Without limits
   * presence is not looked at.
   */
  async violations(limits?: PresenceLimits): Promise<string[]> {
    await this.quiet();
    if (limits !== undefined) await Bun.sleep(limits.leaseMs + limits.slackMs);
    return this.violationsSoFar(limits);
  }

  /** The same at once, for runs after which there is no node any more. */
  violationsSoFar(limits?: PresenceLimits): string[] {
    const history = this.recorder.history();
    const all: Violation[] = [
      ...checkDelivery(history),
      ...(limits === undefined ? [] : checkPresence(history, limits)),
    ];
    const texts = [...this.recorder.troubles, ...all.map(({ kind, text }) => `${kind}: ${text}`)];
    if (texts.length <= MAX_SHOWN) return texts;
    return [...texts.slice(0, MAX_SHOWN), `and ${texts.length - MAX_SHOWN} more`];
  }

  /** By channel, whom the publisher API of a node lists there, in the order of the alphabet. */
  async listed(node = this.#nodes[0]): Promise<Record<string, string[]>> {
    if (node === undefined) throw new Error("there is no node");
    return await listedAt(node, this.channels);
  }

  /** Resolves once all members and all nodes have the same view of who is there, and how; or tells what is different. */
  async wrongViews(ms: number): Promise<string[]> {
    return await wrongViews(this.recorder, this.#nodes, this.channels, ms);
  }

  /** The same as the members themselves know it. */
  present(): Record<string, string[]> {
    return Object.fromEntries(
      this.channels.map((channel) => {
        const there = this.members.filter((member) => member.isMemberOf(channel));
        return [channel, there.map(({ name }) => name).toSorted()];
      }),
    );
  }

  /** All clients lose their connections at once, and come back at about the same time. */
  breakAllOff(awayMs: number): Promise<void> {
    return this.breakAllOffFor(Bun.sleep(awayMs));
  }

  /** The same until each channel has that many publications more, all of them answered. */
  async breakAllOffUntilOverrun(count: number): Promise<void> {
    const leftAt = this.recorder.now();
    const isOverrun = () => this.#isInEach(count, leftAt);
    await this.breakAllOffFor(this.until(`${count} more in each channel`, isOverrun, OVERRUN_MS));
  }

  /** The same until that is resolved. */
  async breakAllOffFor(away: Promise<void>): Promise<void> {
    const { ends } = this.recorder;
    const expected = ends.length + this.clients.length;
    for (const client of this.clients) client.breakOff(away);
    await this.until("all have noticed", () => ends.length >= expected, CONNECT_MS);
    await away;
    await this.allSubscribed();
  }

  /** Resolves once something is kept again in each channel that was published after a moment. */
  async allKeptAgain(since: Moment, ms: number): Promise<void> {
    await this.until("something kept in each channel", () => this.#isInEach(1, since), ms);
  }

  #isInEach(count: number, since: Moment): boolean {
    const { publications } = this.recorder.history();
    const fresh = publications.filter(
      ({ sentAt, answeredAt }) => sentAt > since && answeredAt !== undefined,
    );
    const byChannel = Map.groupBy(fresh, ({ channel }) => channel);
    return this.channels.every((channel) => (byChannel.get(channel)?.length ?? 0) >= count);
  }

  /** What clients that came back were told, as often as they were. */
  get recoveries(): { readonly complete: number; readonly incomplete: number } {
    const told = this.recorder.history().stays.map(({ recovered }) => recovered);
    const count = (value: boolean) => told.filter((each) => each === value).length;
    return { complete: count(true), incomplete: count(false) };
  }

  /**
   * What is wrong with what the channels keep, for runs in which they keep everything; or everything that was
   * published after a moment. All nodes are asked, or only some: far from a stream reading is slow.
   */
  async keptFaults(since = 0, nodes = this.#nodes): Promise<string[]> {
    const { publications: all } = this.recorder.history();
    const publications = all.filter(({ sentAt }) => sentAt > since);
    const checks = nodes.flatMap((node) =>
      this.channels.map((channel) => checkKept(node.process, channel, publications)),
    );
    return (await Promise.all(checks)).flat().slice(0, MAX_SHOWN);
  }

  /**
   * What clients do not get of what was published at their own node between those two moments, though nothing
   * happened to them; a publisher may have its refusal before they have the message.
   */
  async localFaults(from: Moment, until: Moment): Promise<string[]> {
    const found = () => localLosses(this.recorder.history(), from, until);
    const isComplete = () => found().length === 0;
    await this.until("complete", isComplete, SETTLE_MS).catch(() => undefined);
    return found()
      .map(({ kind, text }) => `${kind}: ${text}`)
      .slice(0, MAX_SHOWN);
  }

  /** The clients that could have come back to something, and never did. */
  get unrecovered(): readonly string[] {
    const recovered = this.recorder.history().stays.filter((stay) => stay.recovered === true);
    const names = new Set(recovered.map(({ client }) => client));
    // Version 1 of the signalling protocol knows no positions.
    const able = this.clients.filter(({ name }) => !name.startsWith("v1"));
    return able.map(({ name }) => name).filter((name) => !names.has(name));
  }

  /** How often stock clients went on with a connection that had ended. */
  get resumptions(): number {
    const stock = this.clients.filter((each) => each instanceof SocketIoClient);
    return stock.reduce((sum, { resumptions }) => sum + resumptions, 0);
  }

  /** For runs in which connections end only where messages were missed: not all have codes. */
  takeEndsForMissed(): void {
    this.recorder.takeEndsFor("missed");
  }

  /** One after the other, so that those which were missed are not made up for. */
  #beatOn(): void {
    this.recorder.beat();
    this.#beat = setTimeout(() => this.#beatOn(), BEAT_MS);
  }

  /** Ends all clients. */
  async stop(): Promise<void> {
    clearTimeout(this.#beat);
    this.#end.abort();
    for (const client of this.clients) client.stop();
    await this.#quic?.end();
  }
}
