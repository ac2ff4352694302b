import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ClosableLog, createLog } from "./log.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "starling-log-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

interface Line {
  readonly time?: string;
  readonly msg?: string;
  readonly index?: number;
}
const linesOf = (text: string): Line[] =>
  text
    .split("\n")
    .filter((line) => line !== "")
    .map((line): Line => JSON.parse(line));

/** What a log to a file descriptor has written after `use`, when it is closed. */
async function written(
  level: "debug" | "info" | "silent",
  use: (log: ClosableLog) => void,
): Promise<string> {
  const path = join(folder, "out");
  const log = createLog({ level, logsDir: undefined, fd: openSync(path, "w") });
  use(log);
  await log.close();
  return readFileSync(path, "utf8");
}

describe("a line of the log", () => {
  test("is JSON with level, time, message and fields", async () => {
    const [line] = linesOf(
      await written("info", (log) => log.warn({ user: "u", count: 2 }, "slow")),
    );
    expect(line).toMatchObject({ level: "warn", msg: "slow", user: "u", count: 2 });
    expect(String(line?.time)).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  });

  test("below the level is not written", async () => {
    const text = await written("info", (log) => {
      log.debug({}, "hidden");
      log.info({}, "shown");
    });
    expect(linesOf(text).map((line) => line.msg)).toEqual(["shown"]);
    expect(await written("silent", (log) => log.error({}, "hidden"))).toBe("");
    expect(await written("debug", (log) => log.debug({}, "shown"))).toContain("shown");
  });

  test("tells an error with its message and stack", async () => {
    const text = await written("info", (log) =>
      log.error({ error: new Error("broken") }, "failed"),
    );
    expect(linesOf(text)[0]).toMatchObject({ error: { type: "Error", message: "broken" } });
    expect(text).toContain("log.test.ts");
  });

  test("never shows fields that are named like secrets, at any of three depths", async () => {
    const text = await written("info", (log) =>
      log.info(
        {
          token: "hunter2",
          user: "shown",
          handshake: { auth: { token: "hunter2" }, headers: { cookie: "hunter2" } },
          config: { token: { secret: "hunter2" }, apiKeys: ["hunter2"] },
          request: { headers: { authorization: "hunter2" } },
        },
        "connected",
      ),
    );
    expect(text).not.toContain("hunter2");
    expect(text).toContain("shown");
  });
});

test("lines are written in their order, and it can be awaited that they are", async () => {
  const path = join(folder, "out");
  const log = createLog({ level: "info", logsDir: undefined, fd: openSync(path, "w") });
  for (let round = 1; round <= 3; round++) {
    // The first line is under way while the others wait behind it.
    for (let index = 0; index < 100; index++) log.info({ index }, "line");
    await log.written();
    const lines = linesOf(readFileSync(path, "utf8")).slice(-100);
    expect(lines.map((line) => line.index)).toEqual(Array.from({ length: 100 }, (_, i) => i));
    expect(linesOf(readFileSync(path, "utf8"))).toHaveLength(round * 100);
  }
  await log.written();
  await log.close();
});

test("a descriptor that cannot be written to keeps nobody waiting", async () => {
  const errors: Error[] = [];
  const path = join(folder, "out");
  writeFileSync(path, "");
  const onError = (error: Error) => void errors.push(error);
  const fd = openSync(path, "r");
  const log = createLog({ level: "info", logsDir: undefined, fd, onError });
  log.info({}, "lost");
  await log.written();
  expect(errors[0]?.message).toContain("EBADF");
});

test("lines in a folder of log files are all written when the log is closed", async () => {
  const logsDir = join(folder, "logs");
  const log = createLog({ level: "info", logsDir });
  for (let index = 0; index < 500; index += 1) log.info({ index }, "line");
  await log.close();
  const lines = linesOf(readFileSync(join(logsDir, "starling.log"), "utf8"));
  expect(lines.map((line) => line.index)).toEqual(Array.from({ length: 500 }, (_, i) => i));
});

test("a log that is closed drops later lines, and may be closed again", async () => {
  const text = await written("info", (log) => log.info({}, "in time"));
  expect(linesOf(text)).toHaveLength(1);
  for (const logsDir of [undefined, join(folder, "logs")]) {
    const log = createLog({ level: "info", logsDir, fd: openSync(join(folder, "late"), "w") });
    await log.close();
    log.info({}, "late");
    await log.written();
    await log.close();
  }
  expect(readFileSync(join(folder, "late"), "utf8")).toBe("");
});

test("a log file that fails is reported, and the lines go to the descriptor instead", async () => {
  const path = join(folder, "out");
  const fd = openSync(path, "w");
  const { promise: failed, resolve } = Promise.withResolvers<Error>();
  // A directory stands where the file should be.
  const logsDir = join(folder, "logs");
  await Bun.write(join(logsDir, "starling.log", "occupied"), "");
  const log = createLog({ level: "info", logsDir, fd, onError: resolve });
  expect((await failed).message).toContain("not a file");
  log.info({}, "still told");
  await log.close();
  expect(readFileSync(path, "utf8")).toContain("still told");
});
