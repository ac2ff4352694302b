import { JwtIssuer } from "@starling/core/auth/jwt-issuer.ts";
import type { ChannelSummary, DisconnectTarget, HubApi } from "@starling/core/hub/api.ts";
import { Counters } from "@starling/core/hub/counters.ts";
import { Presence } from "@starling/core/hub/presence.ts";
import type { Publication } from "@starling/core/hub/publication.ts";
import type { Log, LogFields } from "@starling/core/ports.ts";
import { FakeClock } from "@starling/core/testing/fake-clock.ts";
import { Metrics } from "../../ops/metrics.ts";
import { createPublisherHandler, type PublisherConfig } from "../handler.ts";

export const UUID = "3fa85f64-5717-4562-b3fc-2c963f66afa6";

/** A hub without connections that remembers what it was asked. */
export class RecordingHub implements HubApi {
  readonly published: Publication[] = [];
  readonly disconnected: [app: string, target: DisconnectTarget][] = [];
  summaries: ChannelSummary[] = [];
  /** Thrown by `publish` when set. */
  fault: Error | undefined;

  /** Answers how many publications there were so far, so that a replay shows. */
  publish(publication: Publication): number {
    if (this.fault !== undefined) throw this.fault;
    return this.published.push(publication);
  }

  channels(_app: string): Iterable<ChannelSummary> {
    return this.summaries;
  }

  disconnect(app: string, target: DisconnectTarget): number {
    return this.disconnected.push([app, target]);
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
  apiRatePerKey: 0,
  maxBodyBytes: 65_536,
  apiKeys: [],
  idempotencyWindowMs: 60_000,
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

/** A publisher handler on a recording hub and a clock that stands still. */
export function publisherFixture(config: Partial<PublisherConfig> = {}) {
  const hub = new RecordingHub();
  const presence = new Presence();
  const counters = new Counters();
  const clock = new FakeClock();
  const log = new RecordingLog();
  const handler = createPublisherHandler({
    config: { ...baseConfig, ...config },
    hub,
    presence,
    issuer: new JwtIssuer({ secret: "0123456789abcdef0123456789abcdef", clock }),
    counters,
    metrics: new Metrics(counters),
    clock,
    log,
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

  return { hub, presence, clock, log, handler, call, post };
}

/** The body of a refusal, to compare with. */
export function refusalBody(code: number, name: string, message: unknown) {
  return { error: { code, name, message } };
}
