import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { RotatingFileStream } from "rotating-file-stream";
import { openLogFile, removeOldLogs, rotatedName, rotation } from "./log-file.ts";

const DAY = 86_400_000;
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "starling-log-file-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

function fail(error: Error): never {
  throw error;
}
function ended(stream: RotatingFileStream): Promise<void> {
  return new Promise((resolve) => {
    stream.once("close", resolve);
    stream.end();
  });
}
const unzipped = (name: string) =>
  new TextDecoder().decode(Bun.gunzipSync(readFileSync(join(folder, name))));

describe("a log file", () => {
  test("is compressed and numbered when it reaches its size, and loses nothing", async () => {
    const stream = openLogFile(folder, fail, { size: "1K" });
    const lines = Array.from({ length: 40 }, (_, index) => `${String(index).padStart(99, "0")}\n`);
    for (const line of lines) stream.write(line);
    await ended(stream);
    const rotated = readdirSync(folder).filter((name) => name.endsWith(".gz"));
    expect(rotated.length).toBeGreaterThanOrEqual(3);
    const numbered = rotated
      .map((name) => ({ name, number: Number(/\.(\d+)\.log\.gz$/.exec(name)?.[1]) }))
      .sort((a, b) => a.number - b.number);
    expect(numbered.map(({ number }) => number)).toEqual(numbered.map((_, index) => index + 1));
    const text = numbered.map(({ name }) => unzipped(name)).join("");
    expect(text + readFileSync(join(folder, "starling.log"), "utf8")).toBe(lines.join(""));
  });

  test("of an earlier day is compressed at the start, under that day's name", async () => {
    const yesterday = new Date(Date.now() - DAY);
    writeFileSync(join(folder, "starling.log"), "of yesterday\n");
    utimesSync(join(folder, "starling.log"), yesterday, yesterday);
    await ended(openLogFile(folder, fail));
    const name = `starling-${yesterday.toISOString().slice(0, 10)}.1.log.gz`;
    expect(unzipped(name)).toBe("of yesterday\n");
    expect(readFileSync(join(folder, "starling.log"), "utf8")).toBe("");
  });

  test("of this day is continued", async () => {
    writeFileSync(join(folder, "starling.log"), "before\n");
    const stream = openLogFile(folder, fail);
    stream.write("after\n");
    await ended(stream);
    expect(readFileSync(join(folder, "starling.log"), "utf8")).toBe("before\nafter\n");
  });

  test("is rotated at midnight UTC", () => {
    expect(rotation).toMatchObject({ interval: "1d", intervalUTC: true, intervalBoundary: true });
    expect(rotatedName(Date.UTC(2026, 0, 31, 23, 59), 2)).toBe("starling-2026-01-31.2.log.gz");
  });
});

describe("old log files", () => {
  const now = Date.UTC(2026, 2, 31, 12);
  const of = (daysAgo: number, number = 1) => rotatedName(now - daysAgo * DAY, number);

  test("are removed after 30 days, however many there are of one day", () => {
    const kept = [of(0), of(30), of(30, 2), of(30, 31)];
    for (const name of [...kept, of(31), of(31, 2), of(400)]) writeFileSync(join(folder, name), "");
    removeOldLogs(folder, now);
    expect(readdirSync(folder).sort()).toEqual([...kept].sort());
  });

  test("are told from files of others", () => {
    const others = ["starling.log", "notes-2020-01-01.1.log.gz", "starling-2020-01-01.log"];
    for (const name of others) writeFileSync(join(folder, name), "");
    removeOldLogs(folder, now);
    expect(readdirSync(folder).sort()).toEqual([...others].sort());
  });

  test("are removed at the start", async () => {
    writeFileSync(join(folder, of(31)), "");
    await ended(openLogFile(folder, fail, { now: () => now }));
    expect(readdirSync(folder)).toEqual(["starling.log"]);
  });
});
