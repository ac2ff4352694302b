import { eventually } from "../deadline.ts";
import { ChurnClient } from "./churn-client.ts";
import { LagMeter } from "./lag-meter.ts";
import { overWebSocket } from "./member-connection.ts";
import type { NodeUnderTest } from "./node-under-test.ts";
import { Place } from "./place.ts";
import { checkPresence, type PresenceLimits } from "./presence-checker.ts";
import { Recorder } from "./recorder.ts";
import { SeededRandom } from "./seeded-random.ts";
import { wrongViews } from "./views.ts";
import { WebTransportProcess } from "./webtransport-process.ts";

export interface ChurnSize {
  /** Memberships at first; later more or less. */
  readonly members: number;
  /** Of each client. */
  readonly channelsOfClient: number;
  /** Of each channel. */
  readonly membersOfChannel: number;
  /** Every so many clients one comes over WebTransport; 0 for none. */
  readonly quicEvery: number;
}

/** From and up to how many milliseconds a client does nothing, for each client there is: so all do as much as few. */
const PAUSE = [1, 8] as const;
/** On the way of news: a client, its node, NATS, the other node, and the other client. */
const PROCESSES = 5;
const SETTLE_MS = 60_000;
const WHILE_MS = 100;
const MAX_SHOWN = 15;

/** Members of several nodes who come, go, and change all the time, and the record of what they do and see. */
export class Churn {
  readonly recorder = new Recorder();
  readonly random: SeededRandom;
  readonly clients: readonly ChurnClient[];
  readonly channels: readonly string[];
  readonly #nodes: readonly NodeUnderTest[];
  readonly #lag = new LagMeter();
  readonly #quic: WebTransportProcess | undefined;

  /** @param quicSilentMs how long a server may say nothing before a client over WebTransport takes it for gone */
  constructor(
    nodes: readonly NodeUnderTest[],
    seed: number,
    { members, channelsOfClient, membersOfChannel, quicEvery }: ChurnSize,
    quicSilentMs: number,
  ) {
    this.#nodes = nodes;
    const random = new SeededRandom(seed);
    this.random = random;
    const { recorder } = this;
    if (quicEvery > 0) this.#quic = new WebTransportProcess(quicSilentMs);
    const overQuic = this.#quic?.connect;
    const servers = nodes.map(({ process }) => process);
    const numbers = (count: number) => Array.from({ length: count }, (_, index) => index);
    this.channels = numbers(members / membersOfChannel).map((n) => `demo:${seed}-${n}`);
    const count = members / channelsOfClient;
    const [least, most] = PAUSE;
    const habits = { size: channelsOfClient, pause: [least * count, most * count] } as const;
    this.clients = numbers(count).map((n) => {
      const home = random.integer(0, nodes.length - 1);
      const context = { recorder, random: random.fork(), recovers: false };
      const place = new Place(context, servers, home, true);
      const connect = (n % quicEvery === 0 ? overQuic : undefined) ?? overWebSocket;
      const name = `${connect === overWebSocket ? "ws" : "quic"}-${n}`;
      return new ChurnClient(place, name, this.channels, connect, habits);
    });
  }

  /** Resolves once everybody is in all channels that it begins with, and begins to be restless. */
  async start(): Promise<void> {
    for (const client of this.clients) client.start();
    await this.#settled();
    for (const client of this.clients) client.isRestless = true;
  }

  /**
   * Ends the coming and going, and tells all that is wrong. What news may take is more by what a busy machine has each
   * process wait that is on its way.
   */
  async violations(limits: PresenceLimits, ms: number): Promise<string[]> {
    for (const client of this.clients) client.isRestless = false;
    await this.#settled();
    const views = await wrongViews(this.recorder, this.#nodes, this.channels, ms);
    const slackMs = limits.slackMs + PROCESSES * this.#lag.worst;
    const found = checkPresence(this.recorder.history(), { ...limits, slackMs });
    const texts = [...this.recorder.troubles, ...found.map(({ kind, text }) => `${kind}: ${text}`)];
    return [...views, ...texts.slice(0, MAX_SHOWN)];
  }

  async stop(): Promise<void> {
    this.#lag[Symbol.dispose]();
    for (const client of this.clients) client.stop();
    await this.#quic?.end();
  }

  async #settled(): Promise<void> {
    const missing = () => this.clients.filter(({ isSettled }) => !isSettled);
    await eventually(
      "everybody where they want to be",
      async () => {
        await Bun.sleep(WHILE_MS);
        return missing().length === 0 ? true : undefined;
      },
      SETTLE_MS,
    ).catch((error: unknown) => {
      throw new Error(
        `${error}: not ${missing()
          .slice(0, MAX_SHOWN)
          .map(({ name }) => name)}`,
      );
    });
  }
}
