/**
 * Builds the single-file executable `dist/starling` and proves that it works: it starts with
 * nothing beside it, and an event that is published over HTTPS reaches a stock Socket.IO client.
 */
import { mkdirSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { io } from "socket.io-client";
import { run } from "./stage.ts";

const executable = resolve("dist/starling");

async function build(): Promise<void> {
  mkdirSync("dist", { recursive: true });
  const exitCode = await run([
    "bun",
    "build",
    "--compile",
    "--sourcemap",
    "--no-compile-autoload-dotenv",
    "--no-compile-autoload-bunfig",
    "packages/gateway/src/cli/main.ts",
    "--outfile",
    executable,
  ]);
  if (exitCode !== 0) throw new Error("the build failed");
}

/** Starts the executable in an empty folder, publishes, and waits for the event. */
async function smokeTest(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "starling-dist-"));
  const env = { STATE_DIR: join(folder, "state"), PRODUCER_PORT: "0", CONSUMER_PORT: "0" };
  const child = Bun.spawn([executable, "start"], { cwd: folder, env, stdout: "pipe" });
  try {
    const { publisherUrl, subscriberUrl } = await started(child.stdout);
    const demo = await fetch(`${subscriberUrl}/demo`, { tls: { rejectUnauthorized: false } });
    if (!demo.ok) throw new Error(`the demo page answers ${demo.status}`);
    console.log(`received ${await roundTrip(publisherUrl, subscriberUrl)}`);
  } finally {
    child.kill("SIGTERM");
    await child.exited;
    rmSync(folder, { recursive: true });
  }
  if (child.exitCode !== 0) throw new Error(`the executable ended with ${child.exitCode}`);
}

interface Addresses {
  readonly publisherUrl: string;
  readonly subscriberUrl: string;
}

/** Reads the log until the line that says where the gateway listens; the rest stays unread. */
async function started(output: ReadableStream<Uint8Array>): Promise<Addresses> {
  let text = "";
  const decoder = new TextDecoder();
  for await (const chunk of output.values({ preventCancel: true })) {
    text += decoder.decode(chunk, { stream: true });
    const line = text.split("\n").find((each) => each.includes('"msg":"started"'));
    if (line !== undefined) return JSON.parse(line);
  }
  throw new Error(`the executable did not start:\n${text}`);
}

async function roundTrip(publisherUrl: string, subscriberUrl: string): Promise<string> {
  const user = crypto.randomUUID();
  const socket = io(subscriberUrl, {
    query: { uniqueUserId: user },
    rejectUnauthorized: false,
    reconnection: false,
  });
  try {
    await new Promise<void>((done, fail) => {
      socket.once("connect", done);
      socket.once("connect_error", fail);
    });
    const event = new Promise<string>((done) => {
      socket.once(user, (data: unknown) => done(JSON.stringify(data)));
    });
    const answer = await fetch(`${publisherUrl}/publish`, {
      method: "POST",
      body: JSON.stringify({ target_id: user, text: "it works" }),
      tls: { rejectUnauthorized: false },
    });
    if (!answer.ok) throw new Error(`publishing answers ${answer.status}`);
    return await event;
  } finally {
    socket.disconnect();
  }
}

await build();
await smokeTest();
console.log(`\n${executable}: ${Math.round(statSync(executable).size / 1_000_000)} MB, works`);
