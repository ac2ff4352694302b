import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { bytesHolding } from "@starling/core/broker/holdings.ts";
import { IpcBroker } from "@starling/core/broker/ipc/client.ts";
import { IpcServer } from "@starling/core/broker/ipc/server.ts";
import { Node } from "@starling/core/broker/node.ts";
import type { AppConfig } from "@starling/core/hub/namespace.ts";
import { RecordingLog } from "@starling/core/testing/recording-log.ts";
import { listenOnSocket, openSocket } from "./ipc-stream.ts";
import { afterTurn, systemClock, systemRandom } from "./system.ts";

const directory = mkdtempSync(join(tmpdir(), "starling-ipc-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** Reads the lines of a process, one at a time. */
function lines(stream: ReadableStream<Uint8Array>): () => Promise<unknown> {
  const reader = stream.getReader();
  const decoder = new TextDecoder();
  let text = "";
  return async () => {
    while (!text.includes("\n")) {
      const { done, value } = await reader.read();
      if (done) throw new Error(`the process ended: ${text}`);
      text += decoder.decode(value, { stream: true });
    }
    const end = text.indexOf("\n");
    const line = text.slice(0, end);
    text = text.slice(end + 1);
    return JSON.parse(line);
  };
}

test("a worker that Deno runs is a worker like any other, with no right but to its socket", async () => {
  const socket = join(directory, "broker.sock");
  const clock = systemClock;
  const log = new RecordingLog();
  const apps = new Map<string, AppConfig>([["default", { namespaces: new Map() }]]);
  const off = { ratePerSecond: 0 };
  const rates = { user: off, address: off, api: off };
  const node = new Node<Uint8Array>(
    { clock, random: systemRandom, apps, rates, idempotencyWindowMs: 0 },
    bytesHolding,
  );
  const common = { clock, log, afterTurn, random: systemRandom };
  const server = new IpcServer({
    ...common,
    node,
    answer: (method, argument, { worker }) =>
      `${method} ${worker} ${[...(argument as Uint8Array)]}`,
  });
  const listener = await listenOnSocket(socket, server.accept);
  const received: string[] = [];
  const presence: string[] = [];
  const broker = await IpcBroker.connect({
    ...common,
    open: openSocket(socket),
    worker: 1,
    handler: {
      delivered: ({ event, data }) => received.push(`${event} ${data}`),
      presence: (_app, _channel, event) => presence.push(event.type),
      missed: () => received.push("missed"),
      answer: () => null,
    },
    apps,
    rates,
  });
  void broker.interest("default", "b", 4);
  await broker.watch("default", "a");
  const mine = { connection: "b", clientId: "bun", user: "u", state: undefined, since: 2 };
  broker.present("default", "a", { type: "join", member: mine });

  const deno = Bun.spawn(
    [
      resolve(import.meta.dir, "../../../../node_modules/.bin/deno"),
      "run",
      "--quiet",
      "--no-prompt",
      "--no-remote",
      "--no-check",
      `--allow-read=${socket}`,
      `--allow-write=${socket}`,
      `--allow-net=unix:${socket}`,
      resolve(import.meta.dir, "testing/deno-worker.ts"),
      socket,
      "2",
    ],
    { stdout: "pipe", stderr: "inherit", stdin: "ignore" },
  );
  try {
    const next = lines(deno.stdout);
    expect(await next()).toEqual({ joined: "greet 2 1,2,3" });
    // What Deno says comes another way; the news came over this link before the answer.
    await broker.members("default", "a");
    expect(presence).toEqual(["join"]);

    const data = `["😀",${"1".repeat(100_000)}]`;
    const attachments = [Uint8Array.of(1, 2), new Uint8Array(0)];
    const publication = { app: "default", channel: "a", event: "message", data, attachments };
    const delivery = { app: "default", channels: ["a"], streams: [], publication, reached: 2 };
    expect(await broker.publish(delivery)).toEqual({ subscribers: 5, positions: [] });
    const whole = { channel: "a", event: "message", data, attachments: [[1, 2], []] };
    expect(await next()).toEqual(whole);

    expect(await broker.call(2, "publish", null)).toEqual({ subscribers: 5, positions: [] });
    expect(received).toEqual(["from deno [1]"]);
    expect(await broker.call(2, "watch", null)).toEqual(["bun"]);
    broker.present("default", "a", { type: "leave", connection: "b" });
    expect(await next()).toEqual({ channel: "a", presence: "leave" });
    expect(await server.tell(2, "echo", [1.5, "ü", undefined, { a: null }])).toEqual({
      method: "echo",
      argument: [1.5, "ü", undefined, { a: null }],
      worker: 2,
    });
    expect(log.lines).toEqual([]);
  } finally {
    deno.kill();
    await deno.exited;
    listener.stop();
    await broker.close();
    server.close();
  }
});
