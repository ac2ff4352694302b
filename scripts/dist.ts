/**
 * Builds the single-file executable `dist/starling` and proves that it works: it starts with
 * nothing beside it but Deno for WebTransport, and an event that is published over HTTPS reaches a
 * stock Socket.IO client.
 */
import { mkdirSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { io } from "socket.io-client";
import { run } from "./stage.ts";

const executable = resolve("dist/starling");

async function build(): Promise<void> {
  mkdirSync("dist", { recursive: true });
  // Deno runs it, so it is no part of the program but a file that the program carries.
  const worker = "dist/quic-worker.bin";
  await built(["--target=node", "packages/quic-worker/src/main.ts", "--outfile", worker]);
  await built([
    "--compile",
    "--sourcemap",
    "--no-compile-autoload-dotenv",
    "--no-compile-autoload-bunfig",
    "--asset-naming=[name].[ext]",
    "packages/gateway/src/cli/main.ts",
    worker,
    "--outfile",
    executable,
  ]);
}

async function built(args: readonly string[]): Promise<void> {
  if ((await run(["bun", "build", ...args])) !== 0) throw new Error("the build failed");
}

/** Starts the executable in an empty folder with Deno, publishes, and waits for the event. */
async function smokeTest(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "starling-dist-"));
  const env = {
    STATE_DIR: join(folder, "state"),
    PRODUCER_PORT: "0",
    CONSUMER_PORT: "0",
    DENO_PATH: resolve("node_modules/deno/deno"),
  };
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

/**
 * Reads the log until everything serves, and gives back the line that says where; the rest stays
 * unread.
 */
async function started(output: ReadableStream<Uint8Array>): Promise<Addresses> {
  let text = "";
  const decoder = new TextDecoder();
  for await (const chunk of output.values({ preventCancel: true })) {
    text += decoder.decode(chunk, { stream: true });
    const lines = text.split("\n").slice(0, -1);
    const line = lines.find((each) => each.includes('"msg":"started"'));
    const webTransport = lines.find((each) => each.includes('"worker":"quic"'));
    if (line === undefined || webTransport === undefined) continue;
    if (!webTransport.includes("listening")) throw new Error(webTransport);
    return JSON.parse(line);
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
