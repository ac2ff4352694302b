import { describe, expect, test } from "bun:test";
import { FakeClock } from "../testing/fake-clock.ts";
import { CircuitBreaker, CircuitOpenError } from "./circuit-breaker.ts";

function setUp() {
  const clock = new FakeClock();
  const changes: string[] = [];
  const breaker = new CircuitBreaker({
    failures: 3,
    pauseMs: 1000,
    clock,
    onChange: (state) => changes.push(state),
  });
  const good = () => breaker.run(async () => "good");
  const bad = () =>
    breaker.run(() => Promise.reject(new Error("bad"))).catch((e: Error) => e.message);
  const open = async () => {
    for (let count = 0; count < 3; count++) await bad();
  };
  return { clock, breaker, changes, good, bad, open };
}

describe("a circuit", () => {
  test("opens after so many failures in a row, and lets nothing through", async () => {
    const { breaker, changes, good, bad } = setUp();
    await bad();
    await bad();
    await good();
    await bad();
    await bad();
    expect(breaker.state).toBe("closed");
    expect(await bad()).toBe("bad");
    expect(breaker.state).toBe("open");
    expect(changes).toEqual(["open"]);
    let ran = false;
    const task = breaker.run(async () => {
      ran = true;
    });
    await expect(task).rejects.toBeInstanceOf(CircuitOpenError);
    expect(ran).toBe(false);
  });

  test("lets one task try after the pause, and closes when that succeeds", async () => {
    const { clock, breaker, changes, good, open } = setUp();
    await open();
    clock.advance(999);
    expect(breaker.state).toBe("open");
    clock.advance(1);
    const { promise, resolve } = Promise.withResolvers<void>();
    const trial = breaker.run(() => promise);
    await expect(good()).rejects.toBeInstanceOf(CircuitOpenError);
    resolve();
    await trial;
    expect(await good()).toBe("good");
    expect(changes).toEqual(["open", "closed"]);
  });

  test("opens for another pause when the try fails, and then lets the next one try", async () => {
    const { clock, breaker, changes, good, bad, open } = setUp();
    await open();
    clock.advance(1000);
    expect(await bad()).toBe("bad");
    clock.advance(999);
    expect(breaker.state).toBe("open");
    clock.advance(1);
    expect(await good()).toBe("good");
    expect(changes).toEqual(["open", "open", "closed"]);
  });

  test("does not hear a task that began before it opened", async () => {
    const { clock, breaker, open } = setUp();
    const early = Promise.withResolvers<void>();
    const late = Promise.withResolvers<void>();
    const tasks = [breaker.run(() => early.promise), breaker.run(() => late.promise)];
    const settled = Promise.allSettled(tasks);
    await open();
    early.resolve();
    await tasks[0];
    expect(breaker.state).toBe("open");
    clock.advance(600);
    late.reject(new Error("bad"));
    await settled;
    clock.advance(400);
    expect(breaker.state).toBe("half-open");
  });

  test("does not stay open when the clock is set back", async () => {
    const { clock, breaker, open } = setUp();
    await open();
    clock.jumpTo(0);
    expect(breaker.state).toBe("half-open");
  });

  test("refuses options outside their range by name", () => {
    const clock = new FakeClock();
    expect(() => new CircuitBreaker({ failures: 0, pauseMs: 1, clock })).toThrow("failures is 0");
    expect(() => new CircuitBreaker({ failures: 1, pauseMs: -1, clock })).toThrow("pauseMs is -1");
  });
});
