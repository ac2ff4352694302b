import { expect, test } from "bun:test";
import { tmpdir } from "node:os";
import { end, listening, startListening, track } from "./processes.ts";

test("both listeners' addresses are read from log lines", () => {
  const line = (msg: string, url: string): string => JSON.stringify({ level: 30, msg, url });
  expect(listening(line("publisher API listening", "https://localhost:41/"))).toEqual({
    publisher: new URL("https://127.0.0.1:41/"),
  });
  expect(listening(line("subscriber listener listening", "https://127.0.0.1:42"))).toEqual({
    subscriber: new URL("https://127.0.0.1:42/"),
  });
});

test("other lines are passed over", () => {
  for (const line of ["", "plain text", "{broken", '{"msg":"ready","url":"https://a/"}', "[]"]) {
    expect(listening(line)).toEqual({});
  }
});

test("a server that ends before it listens is reported with what it said", async () => {
  const started = startListening({
    command: [process.execPath, "-e", "console.error('no such port'); process.exit(3)"],
    directory: tmpdir(),
    environment: {},
  });
  await expect(started).rejects.toThrow(/ended with code 3[\s\S]*no such port/);
});

test("a tracked process is ended", async () => {
  const child = track(Bun.spawn(["cat"], { stdin: "pipe" }));
  await end(child.pid);
  expect(child.signalCode).toBe("SIGTERM");
  await end(child.pid);
});
