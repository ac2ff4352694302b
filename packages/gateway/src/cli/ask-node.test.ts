import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { nodeSocketPath } from "../node/node-socket.ts";
import { listenOnSocket } from "../runtime/ipc-stream.ts";
import { systemClock } from "../runtime/system.ts";
import { askRunning } from "./ask-node.ts";
import { CommandError, exitCodes } from "./exit-codes.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "starling-ask-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** How a question ends. */
async function failure(): Promise<CommandError> {
  const context = { environment: { STATE_DIR: folder }, folder, clock: systemClock };
  const silent = () => undefined;
  try {
    await askRunning({ ...context, out: silent, err: silent }, "status");
  } catch (error) {
    if (error instanceof CommandError) return error;
    throw error;
  }
  throw new Error("there was an answer");
}

test("a folder that no Starling runs with is named", async () => {
  const { exitCode, message } = await failure();
  expect([exitCode, message]).toEqual([
    exitCodes.unavailable,
    `no Starling runs with the folder ${folder}`,
  ]);
});

test("a Starling that goes away before it has answered was there", async () => {
  const socket = await listenOnSocket(nodeSocketPath(folder), (stream) => {
    stream.end();
    return { data() {}, drained() {}, closed() {} };
  });
  const { exitCode, message } = await failure();
  socket.stop();
  expect([exitCode, message]).toEqual([
    exitCodes.unavailable,
    `the Starling with the folder ${folder} gives no answer: it hangs, has ended, or is of another version`,
  ]);
});
