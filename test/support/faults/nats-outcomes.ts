import { expect } from "bun:test";
import type { Load } from "./load.ts";

/** Whoever was refused was told why by a number. */
export function expectRefusalsOnly({ recorder }: Load): void {
  const unnumbered = recorder.failures
    .map(({ reason }) => reason)
    .filter((reason) => !/^(503 .*"code":901\b|901 )/.test(reason));
  expect(unnumbered).toEqual([]);
}

/** What holds in the end where everything is kept. */
export async function expectNothingMissed(load: Load): Promise<void> {
  expect(await load.violations()).toEqual([]);
  expect(await load.keptFaults()).toEqual([]);
  expect(load.recoveries.incomplete).toBe(0);
}

/** The same where nothing is kept: connections may have ended only to tell of a gap. */
export async function expectGapsTold(load: Load): Promise<void> {
  // Version 1 gets 1013 for whatever asks it to come back, and polling has no codes.
  const told = load.recorder.ends.filter(({ client }) => /^(v2|stream|websocket)/.test(client));
  expect(told.filter(({ code }) => code !== 4007)).toEqual([]);
  load.takeEndsForMissed();
  expect(await load.violations()).toEqual([]);
}
