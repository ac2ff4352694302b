import { afterEach, expect, test } from "bun:test";
import { join } from "node:path";
import { spawnWorkers } from "./spawn.ts";
import type { WorkerEnd, WorkerProcess, WorkerSeat } from "./worker-process.ts";

const command = [process.execPath, join(import.meta.dir, "testing/talkative-worker.ts")];
/** A variable of the supervisor, which its workers inherit. */
const INHERITED = "OF_THE_SUPERVISOR";
const seat: WorkerSeat = { slot: 1, worker: 7, socket: "/state/broker.sock", listening: undefined };

let child: WorkerProcess | undefined;
afterEach(() => {
  child?.kill();
  delete process.env[INHERITED];
});

/** Starts a worker, and waits until it has said something. */
async function start() {
  const said = Promise.withResolvers<unknown>();
  const ended = Promise.withResolvers<WorkerEnd>();
  const logLines: string[] = [];
  const errorLines: string[] = [];
  const spawn = spawnWorkers({
    command,
    logLine: (line) => logLines.push(line),
    errorLine: (line) => errorLines.push(line),
  });
  child = spawn(seat, { message: said.resolve, ended: ended.resolve });
  return { child, message: await said.promise, ended: ended.promise, logLines, errorLines };
}

test("a worker knows its seat and whatever the supervisor's environment says", async () => {
  process.env[INHERITED] = "a$b";
  const { message } = await start();
  expect(message).toEqual({
    seat: JSON.stringify(seat),
    OF_THE_SUPERVISOR: "a$b",
    command: "worker",
  });
});

test("its end is told after all that it wrote, with the last lines of its errors", async () => {
  const { child: worker, ended, logLines, errorLines } = await start();
  worker.send({ type: "end" });
  const lastLines = Array.from({ length: 10 }, (_, line) => String(line + 99_991)).join("\n");
  expect(await ended).toEqual({ exitCode: 70, signal: null, lastWords: lastLines });
  expect(logLines).toEqual(['{"msg":"first"}\n', "last\n"]);
  expect(errorLines).toHaveLength(100_000);
});

test("it cannot refuse to be killed, and a command to it is dropped then", async () => {
  const { child: worker, ended } = await start();
  worker.kill();
  expect(await ended).toEqual({ exitCode: null, signal: "SIGKILL", lastWords: "" });
  worker.send({ type: "end" });
});
