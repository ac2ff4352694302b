import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FakeClock } from "@starling/core/testing/fake-clock.ts";
import { RecordingLog } from "@starling/core/testing/recording-log.ts";
import { developmentCertificate } from "./development.ts";
import { ExpiryWatch } from "./expiry-watch.ts";

const HOUR = 3_600_000;
const folder = mkdtempSync(join(tmpdir(), "starling-expiry-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** A log of so many hours with a certificate of 14 days. */
async function logOf(hours: number): Promise<RecordingLog> {
  const [clock, log] = [new FakeClock(), new RecordingLog()];
  const { cert } = await developmentCertificate(join(folder, String(hours)), clock);
  const watch = new ExpiryWatch(cert, clock, log);
  watch.start();
  for (let hour = 0; hour < hours; hour++) clock.advance(HOUR);
  watch.stop();
  clock.advance(1_000 * HOUR);
  return log;
}

test("a process that goes on with its certificate warns each day, from three days before the end", async () => {
  // It is an hour old when it is made.
  expect((await logOf(11 * 24 - 2)).lines).toEqual([]);
  const { lines } = await logOf(13 * 24);
  expect(lines.map(({ level }) => level)).toEqual(["warn", "warn", "warn"]);
  expect(lines[0]?.fields).toEqual({ notAfter: expect.stringMatching(/^\d{4}-.*Z$/) });
});

test("a text that is no certificate is none that ends", () => {
  const [clock, log] = [new FakeClock(), new RecordingLog()];
  new ExpiryWatch("nothing", clock, log).start();
  clock.advance(1_000 * HOUR);
  expect(log.lines).toEqual([]);
});
