import { expect, test } from "bun:test";
import { FakeClock } from "@starling/core/testing/fake-clock.ts";
import { StopSignals } from "./stop-signals.ts";

test("the first signal stops, a later one exits at once", () => {
  const clock = new FakeClock();
  const signals = new StopSignals(clock);
  expect(signals.received()).toBe("stop");
  clock.advance(300);
  expect(signals.received()).toBe("exit");
});

test("copies of one signal are not a second one", () => {
  const clock = new FakeClock();
  const signals = new StopSignals(clock);
  signals.received();
  expect(signals.received()).toBe("ignore");
  clock.advance(299);
  expect(signals.received()).toBe("ignore");
});
