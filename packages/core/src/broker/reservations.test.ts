import { expect, test } from "bun:test";
import type { Answer } from "../answer.ts";
import { FakeClock } from "../testing/fake-clock.ts";
import { reached } from "../testing/published.ts";
import { Reservations } from "./reservations.ts";

const key = (name: string, fingerprint = "request") => ({ key: name, fingerprint });

function setUp() {
  const clock = new FakeClock();
  const reservations = new Reservations<string>({ clock, windowMs: 60_000, leaseMs: 10_000 });
  /** Reserves one key, which is to be free. */
  const hold = (worker: string, name: string) => {
    expect(reservations.reserve(worker, [key(name)])).toEqual([undefined]);
  };
  return { clock, reservations, hold };
}

/** What the promise is rejected with. */
const failure = (answer: Answer<unknown>) =>
  Promise.resolve(answer).then(
    () => undefined,
    (error: unknown) => error,
  );

test("a reservation lasts one and a half leases, but for as long as its delivery is under way", () => {
  const { clock, reservations } = setUp();
  expect(reservations.reserve("a", [key("k"), key("l")])).toEqual([undefined, undefined]);
  reservations.use("a", key("l"));
  clock.advance(14_999);
  expect(reservations.size).toBe(2);
  clock.advance(1);
  expect(reservations.size).toBe(1);
  expect(reservations.reserve("b", [key("k")])).toEqual([undefined]);
  expect(reservations.reserve("b", [key("l")])).toBeInstanceOf(Promise);
  reservations.answered(key("l"), reached(3));
  expect(reservations.reserve("b", [key("l")])).toEqual([reached(3)]);
  clock.advance(15_000);
  expect(reservations.size).toBe(0);
  expect(clock.pendingTimers).toBe(0);
});

test("a key whose delivery is under way is neither released nor forgotten with its worker", async () => {
  const { reservations, hold } = setUp();
  hold("a", "k");
  reservations.use("a", key("k"));
  const waiting = reservations.reserve("b", [key("k")]);
  reservations.release("a", [key("k")]);
  reservations.forget("a");
  reservations.answered(key("k"), reached(5));
  expect(await waiting).toEqual([reached(5)]);
  expect(reservations.size).toBe(0);
});

test("what is published after its reservation has run out is waited for, unless the key is another's", async () => {
  const { clock, reservations, hold } = setUp();
  for (const name of ["k", "l"]) hold("a", name);
  clock.advance(15_000);
  hold("b", "l");
  expect(reservations.use("a", key("k"))).toBe(true);
  expect(reservations.use("a", key("k"))).toBe(false);
  const waiting = reservations.reserve("c", [key("k")]);
  expect(waiting).toBeInstanceOf(Promise);
  clock.advance(14_999);
  reservations.answered(key("k"), reached(1));
  expect(await waiting).toEqual([reached(1)]);
  expect(reservations.use("a", key("l"))).toBe(false);
  expect(reservations.use("b", key("l", "different"))).toBe(false);
  expect(reservations.use("b", key("l"))).toBe(true);
  reservations.answered(key("l"), reached(2));
  expect(reservations.use("a", key("l"))).toBe(false);
  expect(() => reservations.use("a", key("l", "different"))).toThrow("idempotency");
  expect(reservations.reserve("c", [key("l")])).toEqual([reached(2)]);
  expect(reservations.size).toBe(0);
  expect(clock.pendingTimers).toBe(0);
});

test("those who wait have their turn in the order of their coming, one after the other", async () => {
  const { reservations, hold } = setUp();
  hold("a", "k");
  const turns: string[] = [];
  const waiting = ["b", "c", "d"].map(async (worker) => {
    await reservations.reserve(worker, [key("k")]);
    turns.push(worker);
    reservations.release(worker, [key("k")]);
  });
  expect(reservations.size).toBe(4);
  reservations.release("a", [key("k")]);
  await Promise.all(waiting);
  expect(turns).toEqual(["b", "c", "d"]);
  expect(reservations.size).toBe(0);
});

test("whoever waits for two keys of others waits for both", async () => {
  const { reservations, hold } = setUp();
  hold("a", "k");
  hold("b", "l");
  let answers: unknown;
  const waiting = Promise.resolve(reservations.reserve("c", [key("k"), key("l")])).then((given) => {
    answers = given;
  });
  reservations.use("a", key("k"));
  reservations.answered(key("k"), reached(1));
  await Promise.resolve();
  expect(answers).toBeUndefined();
  reservations.release("b", [key("l")]);
  await waiting;
  expect(answers).toEqual([reached(1), undefined]);
});

test("who waited for a key that a different request then got is refused", async () => {
  const { reservations, hold } = setUp();
  hold("a", "k");
  const first = reservations.reserve("b", [key("k"), key("l", "one")]);
  const second = reservations.reserve("c", [key("k"), key("l", "other")]);
  const refused = failure(second);
  reservations.release("a", [key("k")]);
  expect(await first).toEqual([undefined, undefined]);
  expect(await refused).toMatchObject({ errorName: "idempotency_conflict" });
  expect(reservations.size).toBe(2);
});

test("the calls of a worker that is gone fail, also those that wait for its own key", async () => {
  const { reservations, hold } = setUp();
  hold("a", "k");
  const refused = failure(reservations.reserve("a", [key("k")]));
  const other = reservations.reserve("b", [key("k")]);
  reservations.forget("a");
  expect(await refused).toMatchObject({ errorName: "broker_unavailable" });
  expect(await other).toEqual([undefined]);
  expect(reservations.size).toBe(1);
});

test("keys beyond the limit are refused and counted, and nothing of the call is reserved", () => {
  const { clock, reservations } = setUp();
  const many = Array.from({ length: 99_999 }, (_, n) => key(`${n}`));
  expect(reservations.reserve("a", many)).toHaveLength(99_999);
  const full = expect.objectContaining({ errorName: "broker_unavailable" });
  expect(() => reservations.reserve("a", [key("k"), key("l")])).toThrow(full);
  expect(reservations.size).toBe(99_999);
  expect(reservations.reserve("a", [key("k")])).toEqual([undefined]);
  expect(() => reservations.reserve("a", [key("l")])).toThrow(full);
  expect(reservations.refused).toBe(2);
  clock.advance(15_000);
  expect(reservations.reserve("a", [key("l")])).toEqual([undefined]);
});

test("calls that wait beyond the limit are refused and counted", async () => {
  const { reservations, hold } = setUp();
  hold("a", "k");
  const waiting = [];
  for (let n = 0; n < 100_000; n++) waiting.push(reservations.reserve("a", [key("k")]));
  expect(() => reservations.reserve("a", [key("k")])).toThrow(
    expect.objectContaining({ errorName: "broker_unavailable" }),
  );
  expect(reservations.refused).toBe(1);
  reservations.use("a", key("k"));
  reservations.answered(key("k"), reached(1));
  await Promise.all(waiting);
  expect(reservations.size).toBe(0);
});
