import { expect, test } from "bun:test";
import { cpuSince, cpuTime, parseResident, parseStat, processTree, spent } from "./proc.ts";

const stat = (name: string): string =>
  `4242 (${name}) S 1 4242 4242 0 -1 4194304 900 0 0 0 150 25 7 8 20 0 12 0 5 6 7\n`;

test("CPU time is read from the 14th and 15th field", () => {
  expect(parseStat(stat("bun"), 100)).toEqual({ user: 1_500_000, system: 250_000 });
});

test("brackets and spaces in the program's name do not move the fields", () => {
  expect(parseStat(stat("a) b (c"), 100)).toEqual({ user: 1_500_000, system: 250_000 });
});

test("a text that is cut short is refused", () => {
  expect(() => parseStat("4242 (bun) S 1 4242", 100)).toThrow("no field 14");
});

test("resident memory is read in KiB", () => {
  expect(parseResident("Name:\tbun\nVmHWM:\t  900 kB\nVmRSS:\t   812 kB\n")).toBe(812);
  expect(() => parseResident("Name:\tkthreadd\n")).toThrow("VmRSS");
});

test("the own process tree holds this process and a child of it", async () => {
  const child = Bun.spawn(["cat"], { stdin: "pipe", stdout: "ignore" });
  try {
    const tree = processTree(process.pid);
    expect(tree[0]).toBe(process.pid);
    expect(tree).toContain(child.pid);
  } finally {
    child.stdin.end();
    await child.exited;
  }
});

test("of the CPU time that has passed, the part of the first process is told", () => {
  const before = { user: 20, system: 5, root: { user: 4, system: 1 } };
  const now = { user: 50, system: 15, root: { user: 9, system: 6 } };
  expect(spent(before, now)).toEqual({ total: 40, system: 10, rootShare: 0.25 });
  expect(spent(now, now)).toEqual({ total: 0, system: 0, rootShare: 0 });
});

test("CPU time grows while the process works", () => {
  const before = cpuTime(process.pid);
  let passed = cpuSince(process.pid, before);
  for (let turn = 0; passed.total === 0 && turn < 1e6; turn += 1) {
    passed = cpuSince(process.pid, before);
  }
  expect(passed.total).toBeGreaterThan(0);
  expect(passed.system).toBeLessThanOrEqual(passed.total);
});
