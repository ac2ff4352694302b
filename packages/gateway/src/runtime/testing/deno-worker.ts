import { setImmediate } from "node:timers";
import { IpcBroker } from "@starling/core/broker/ipc/client.ts";
import type { Log } from "@starling/core/ports.ts";
import { openSocketInDeno } from "@starling/quic-worker/runtime/deno-stream.ts";

declare const Deno: {
  readonly args: readonly string[];
  exit(code: number): never;
};

/** A worker of a node, run by Deno, which says what it hears as lines of JSON. */
const [socket = "", worker = "0"] = Deno.args;
const say = (line: Record<string, unknown>) => console.log(JSON.stringify(line));
const log: Log = {
  debug() {},
  info() {},
  warn: (fields, message) => say({ log: message, ...fields }),
  error: ({ err }, message) => say({ log: message, fault: String(err) }),
};
const off = { ratePerSecond: 0 };
const broker = await IpcBroker.connect({
  open: openSocketInDeno(socket),
  worker: Number(worker),
  handler: {
    delivered: ({ channel, event, data, attachments = [] }) =>
      say({ channel, event, data, attachments: attachments.map((bytes) => [...bytes]) }),
    presence: (_app, channel, event) => say({ channel, presence: event.type }),
    missed: () => say({ missed: true }),
    answer: async (method, argument) => {
      if (method === "publish") {
        const publication = { app: "default", channel: "b", event: "from deno", data: "[1]" };
        const all = { app: "default", channels: ["b"], streams: [], publication, reached: 1 };
        return broker.publish(all);
      }
      if (method === "watch") {
        const members = await broker.watch("default", "a");
        return members.map(({ clientId }) => clientId);
      }
      return { method, argument, worker: broker.worker };
    },
  },
  clock: {
    now: () => Date.now(),
    setTimeout: (callback, delayMs) => setTimeout(callback, delayMs),
    clearTimeout: (timer) => clearTimeout(timer as number),
  },
  random: { bytes: (length) => crypto.getRandomValues(new Uint8Array(length)) },
  afterTurn: (callback) => void setImmediate(callback),
  log,
  apps: new Map([["default", { namespaces: new Map() }]]),
  rates: { user: off, address: off, api: off },
  linkChanged: (isUp) => {
    if (!isUp) Deno.exit(0);
  },
});
void broker.interest("default", "a", 3);
const member = { connection: "d", clientId: "deno", user: undefined, state: undefined, since: 1 };
broker.present("default", "a", { type: "join", member });
say({ joined: await broker.ask("greet", new Uint8Array([1, 2, 3])) });
