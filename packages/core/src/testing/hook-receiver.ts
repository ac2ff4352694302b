import type { HookConfig, HookSettings } from "../hooks/config.ts";
import { hookEventTypes } from "../hooks/events.ts";
import { Hooks, type HooksOptions } from "../hooks/hooks.ts";
import type { HttpResponse } from "../ports.ts";
import { FakeClock } from "./fake-clock.ts";
import { FakeHttpClient, type RecordedRequest } from "./fake-http-client.ts";
import { RecordingLog } from "./recording-log.ts";
import { SeededRandom } from "./seeded-random.ts";
import { turn } from "./turn.ts";

/** The body of a request of a hook. */
export interface HookBody {
  readonly app: string;
  readonly node: string | null;
  readonly time: number;
  readonly dropped: number;
  readonly events: readonly {
    readonly id: string;
    readonly type: string;
    readonly time: number;
    readonly channel?: string;
    readonly connection?: string;
    readonly clientId?: string;
    readonly user?: string | null;
  }[];
}

export const hookSettings: HookSettings = {
  batchEvents: 10,
  batchMs: 100,
  timeoutMs: 5_000,
  queueEvents: 1_000,
  queueBytes: 1_000_000,
  maxAgeMs: 3_600_000,
  vacatedMs: 3_000,
  drainMs: 5_000,
};

export function hookConfig(change: Partial<HookConfig> = {}): HookConfig {
  return {
    url: "https://receiver.example/hook",
    events: new Set(hookEventTypes),
    channels: [],
    secrets: ["a secret of the hook"],
    ...change,
  };
}

/** What of the usual a test has otherwise. */
export interface HookChanges extends Partial<Omit<HooksOptions, "settings">> {
  readonly settings?: Partial<HookSettings>;
}

/** Hooks whose receivers are the test. */
export function hooksUnderTest({ settings, ...options }: HookChanges = {}) {
  const clock = new FakeClock();
  const http = new FakeHttpClient();
  const log = new RecordingLog();
  http.respond(200, "");
  const hooks = new Hooks({
    hooks: new Map([["default", [hookConfig()]]]),
    settings: { ...hookSettings, ...settings },
    http,
    clock,
    random: new SeededRandom(),
    log,
    node: "",
    ...options,
  });
  /** Moves the clock in steps, with whatever follows from each. */
  const pass = async (ms: number, stepMs = 50) => {
    for (let left = ms; left > 0; left -= stepMs) {
      clock.advance(Math.min(left, stepMs));
      await turn();
    }
  };
  /** What the events of each request so far are about. */
  const batches = () => http.requests.map((request) => bodyOf(request).events.map(nameOf));
  return { clock, http, log, hooks, pass, batches };
}

export function bodyOf({ body }: RecordedRequest): HookBody {
  return JSON.parse(body) as HookBody;
}

function nameOf({ type, channel, connection }: HookBody["events"][number]): string {
  return `${type} ${channel ?? connection}`;
}

/** An answer that a test gives when it wants to. */
export function heldAnswer(): {
  readonly promise: Promise<HttpResponse>;
  resolve(answer: HttpResponse): void;
} {
  return Promise.withResolvers<HttpResponse>();
}
