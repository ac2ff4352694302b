import type { Answer as Known } from "@starling/core/answer.ts";
import { JwtIssuer } from "@starling/core/auth/jwt-issuer.ts";
import type { Ban } from "@starling/core/bans/ban.ts";
import type { Broker, DeliveryKey, Published } from "@starling/core/broker/broker.ts";
import type { Disconnection } from "@starling/core/broker/elsewhere.ts";
import type { WorkerHandlers } from "@starling/core/broker/handlers.ts";
import type { Node } from "@starling/core/broker/node.ts";
import type { HistoryPage, HistoryRequest, Stream } from "@starling/core/broker/stream.ts";
import type { ChannelSummary, DisconnectTarget, HubApi } from "@starling/core/hub/api.ts";
import {
  type ChannelPage,
  type ChannelPageRequest,
  channelPage,
} from "@starling/core/hub/channel-page.ts";
import { Counters } from "@starling/core/hub/counters.ts";
import { optionsOf } from "@starling/core/hub/namespace.ts";
import type { Publication } from "@starling/core/hub/publication.ts";
import type { Log, LogFields } from "@starling/core/ports.ts";
import { FakeClock } from "@starling/core/testing/fake-clock.ts";
import { LocalNode } from "@starling/core/testing/local-node.ts";
import { sharedCountsOf } from "../../node/shared-counts.ts";
import { Metrics } from "../../ops/metrics.ts";
import { createPublisherHandler, type PublisherConfig } from "../handler.ts";
import type { SharedCounts } from "../node-stats.ts";

export const UUID = "3fa85f64-5717-4562-b3fc-2c963f66afa6";

/** A hub without connections that remembers what it was asked. */
export class RecordingHub implements HubApi {
  readonly published: Publication[] = [];
  readonly disconnected: [app: string, target: DisconnectTarget][] = [];
  summaries: ChannelSummary[] = [];
  /** Thrown by `broadcast` when set. */
  fault: Error | undefined;
  readonly #broker: Broker;
  /** What other nodes say to a disconnection. */
  others: Omit<Disconnection, "connections"> = { unanswered: [], isComplete: true };
  readonly #apps: PublisherConfig["apps"];

  constructor(broker: Broker, apps: PublisherConfig["apps"]) {
    this.#broker = broker;
    this.#apps = apps;
  }

  /** Says that each channel had as many subscribers as there were publications so far. */
  broadcast(
    publication: Publication,
    channels: readonly string[],
    key?: DeliveryKey,
  ): Known<Published> {
    if (this.fault !== undefined) throw this.fault;
    const { app } = publication;
    let reached = 0;
    for (const channel of channels) reached += this.published.push({ ...publication, channel });
    const streams = channels.flatMap((channel): Stream[] => {
      const { history } = optionsOf(this.#apps, app, channel);
      return history === undefined ? [] : [{ channel, ...history }];
    });
    const plain = channels.filter((name) => !streams.some(({ channel }) => channel === name));
    return this.#broker.publish({ app, channels: plain, streams, publication, reached, key });
  }

  history(app: string, channel: string, request: HistoryRequest): Known<HistoryPage<Publication>> {
    return this.#broker.history(app, channel, request);
  }

  channels(_app: string, page: ChannelPageRequest): ChannelPage {
    return channelPage(this.summaries, page);
  }

  disconnect(app: string, target: DisconnectTarget): Disconnection {
    const connections = this.disconnected.push([app, target]);
    return { connections, ...this.others };
  }

  ban(app: string, user: string, until: number): Known<void> {
    return this.#broker.ban(app, user, until);
  }

  bans(app: string): readonly Ban[] {
    const page = this.#broker.bans("");
    const { bans } = page instanceof Promise ? { bans: [] } : page;
    return bans.filter((ban) => ban.app === app && ban.until > 0);
  }
}

export class RecordingLog implements Log {
  readonly lines: [level: string, fields: LogFields, message: string][] = [];

  debug(fields: LogFields, message: string): void {
    this.lines.push(["debug", fields, message]);
  }

  info(fields: LogFields, message: string): void {
    this.lines.push(["info", fields, message]);
  }

  warn(fields: LogFields, message: string): void {
    this.lines.push(["warn", fields, message]);
  }

  error(fields: LogFields, message: string): void {
    this.lines.push(["error", fields, message]);
  }
}

const baseConfig: PublisherConfig = {
  allowedIps: ["127.0.0.0/8", "::1"],
  useProxy: false,
  trustProxy: [],
  eventIdPattern: /^[a-f0-9]{8}(?:-[a-f0-9]{4}){3}-[a-f0-9]{12}$/i,
  maxBodyBytes: 65_536,
  apiKeys: [],
  meshId: "",
  apps: new Map([
    ["default", { namespaces: new Map() }],
    ["shop", { namespaces: new Map() }],
  ]),
};

export interface Call {
  readonly method?: string;
  readonly body?: string | Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array>;
  readonly headers?: Record<string, string>;
  /** Address of the peer; default loopback. */
  readonly from?: string;
}

/** An answer, read to its end. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

/** What the worker is told, and what its node. */
export interface Settings extends Partial<PublisherConfig> {
  readonly apiRatePerKey?: number;
  readonly idempotencyWindowMs?: number;
  readonly sharedCounts?: () => SharedCounts;
}

/** A publisher handler on a recording hub and a clock that stands still; its worker is alone. */
export function publisherFixture(settings: Settings = {}) {
  const clock = new FakeClock();
  const { node, ...worker } = LocalNode.alone(nodeOptions(settings, clock));
  return { clock, ...publisherOf(settings, clock, node, worker) };
}

/** Two workers of one node. */
export function twoPublishers(settings: Settings = {}) {
  const clock = new FakeClock();
  const local = new LocalNode(nodeOptions(settings, clock));
  const publisher = () => publisherOf(settings, clock, local.node, local.join());
  return [publisher(), publisher()] as const;
}

function nodeOptions({ apiRatePerKey: api = 0, idempotencyWindowMs }: Settings, clock: FakeClock) {
  const { apps } = baseConfig;
  const window = idempotencyWindowMs === undefined ? {} : { idempotencyWindowMs };
  return { clock, apps, rates: { api }, ...window };
}

function publisherOf(
  { apiRatePerKey: _rate, idempotencyWindowMs: _window, sharedCounts, ...config }: Settings,
  clock: FakeClock,
  node: Node<Publication>,
  { broker, handlers }: { readonly broker: Broker; readonly handlers: WorkerHandlers },
) {
  const settings = { ...baseConfig, ...config };
  const hub = new RecordingHub(broker, settings.apps);
  const counters = new Counters();
  const metrics = new Metrics(counters);
  const log = new RecordingLog();
  const handler = createPublisherHandler({
    nodes: { text: async () => '{"ok":true,"node":"","nodes":[]}' },
    config: settings,
    hub,
    broker,
    handlers,
    issuer: new JwtIssuer({ secret: "0123456789abcdef0123456789abcdef", clock }),
    counters,
    metrics,
    clock,
    log,
    sharedCounts: sharedCounts ?? (() => sharedCountsOf(node, { counts: [] })),
  });

  async function call(path: string, options: Call = {}): Promise<Answer> {
    const { body, headers = {}, from = "127.0.0.1" } = options;
    const method = options.method ?? (body === undefined ? "GET" : "POST");
    const request = new Request(`https://localhost${path}`, {
      method,
      headers,
      ...(body === undefined ? {} : { body }),
    });
    const response = await handler.fetch(request, { address: from, port: 4711 });
    return { status: response.status, headers: response.headers, text: await response.text() };
  }

  /** Posts JSON and gives back status and parsed answer. */
  async function post(path: string, body: unknown, options: Call = {}): Promise<[number, unknown]> {
    const answer = await call(path, { ...options, body: JSON.stringify(body) });
    return [answer.status, JSON.parse(answer.text)];
  }

  return { hub, broker, counters, metrics, log, handler, call, post };
}

/** The body of a refusal, to compare with. */
export function refusalBody(code: number, name: string, message: unknown) {
  return { error: { code, name, message } };
}
