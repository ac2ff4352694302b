import { expect, test } from "bun:test";
import { StarlingError } from "@starling/protocol/errors.ts";
import { disconnected } from "../../testing/disconnected.ts";
import type { Cancellation } from "../broker.ts";
import { CancellationSource } from "../cancellation.ts";
import type { BrokerFixture } from "./fixture.ts";
import { answered, ask, type Joined, join, refusal } from "./worker.ts";

type SetUp = () => Promise<BrokerFixture>;

const unavailable = refusal("broker_unavailable");

/** Lets a worker think for ever; answers what it was asked with. */
function silence(worker: Joined): Cancellation[] {
  const asked: Cancellation[] = [];
  worker.reply = (_method, _argument, cancellation) => {
    asked.push(cancellation);
    return new Promise(() => {});
  };
  return asked;
}

/** Questions from worker to worker. */
export function describeCalls(setUp: SetUp): void {
  test("a call brings the question to the worker and its answer back", async () => {
    const fixture = await setUp();
    const [asker, asked, other] = [await join(fixture), await join(fixture), await join(fixture)];
    asked.reply = async (method, argument) => ({ method, argument, n: [1, 2.5, null, true] });
    other.reply = () => "wrong";
    const argument = { text: "ä", bytes: Uint8Array.of(1, 2), deep: [{ a: -1 }] };
    const answer = await answered(fixture, () =>
      asker.broker.call(asked.broker.worker, "method", argument),
    );
    expect(JSON.parse(JSON.stringify(answer, bytesAsArrays))).toEqual({
      method: "method",
      argument: { text: "ä", bytes: [1, 2], deep: [{ a: -1 }] },
      n: [1, 2.5, null, true],
    });
  });

  test("what the worker throws the asker is given, at once or later", async () => {
    const fixture = await setUp();
    const [asker, asked] = [await join(fixture), await join(fixture)];
    const outcome = async () => {
      const question = ask(() => asker.broker.call(asked.broker.worker, "method", 1));
      await fixture.settle();
      return question.outcome;
    };
    const thrown = new StarlingError("not_joined", "not in that room");
    asked.reply = () => {
      throw thrown;
    };
    const expected = {
      error: expect.objectContaining({
        name: "StarlingError",
        errorName: "not_joined",
        message: "not in that room",
        status: 409,
      }),
    };
    expect(await outcome()).toEqual(expected);
    asked.reply = () => Promise.reject(thrown);
    expect(await outcome()).toEqual(expected);
    asked.reply = () => Promise.reject(new Error("a fault"));
    expect(await outcome()).toEqual({ error: expect.any(Error) });
  });

  test("questions do not wait for one another", async () => {
    const fixture = await setUp();
    const [asker, asked] = [await join(fixture), await join(fixture)];
    const answers = new Map<unknown, (value: unknown) => void>();
    asked.reply = (_method, argument) =>
      new Promise((resolve) => {
        answers.set(argument, resolve);
      });
    const call = (n: number) => ask(() => asker.broker.call(asked.broker.worker, "method", n));
    const [first, second] = [call(1), call(2)];
    await fixture.settle();
    answers.get(2)?.("second");
    await fixture.settle();
    expect([first.outcome, second.outcome]).toEqual([undefined, { value: "second" }]);
    answers.get(1)?.("first");
    await fixture.settle();
    expect(first.outcome).toEqual({ value: "first" });
  });

  test("a worker that is not there cannot be asked", async () => {
    const fixture = await setUp();
    const [asker, gone] = [await join(fixture), await join(fixture)];
    await fixture.leave(gone.broker);
    for (const worker of [gone.broker.worker, 4711]) {
      const asked = ask(() => asker.broker.call(worker, "method", 1));
      await fixture.settle();
      expect(asked.outcome).toEqual(unavailable);
    }
  });

  test("a question to a worker that goes is refused", async () => {
    const fixture = await setUp();
    const [asker, leaving] = [await join(fixture), await join(fixture)];
    silence(leaving);
    const asked = ask(() => asker.broker.call(leaving.broker.worker, "method", 1));
    await fixture.settle();
    expect(asked.outcome).toBeUndefined();
    await fixture.leave(leaving.broker);
    await fixture.settle();
    expect(asked.outcome).toEqual(unavailable);
  });

  test("cancelling gives up the question and tells the other side", async () => {
    const fixture = await setUp();
    const [asker, asked] = [await join(fixture), await join(fixture)];
    const questions = silence(asked);
    const [given, kept] = [new CancellationSource(), new CancellationSource()];
    const call = (cancellation: Cancellation) =>
      ask(() => asker.broker.call(asked.broker.worker, "method", 1, cancellation));
    const [first, second] = [call(given), call(kept)];
    await fixture.settle();
    expect(questions.map(({ isCancelled }) => isCancelled)).toEqual([false, false]);
    let calledBack = 0;
    questions[0]?.onCancel(() => calledBack++);
    given.cancel();
    await fixture.settle();
    expect(first.outcome).toEqual(unavailable);
    expect(second.outcome).toBeUndefined();
    expect(questions.map(({ isCancelled }) => isCancelled)).toEqual([true, false]);
    expect(calledBack).toBe(1);
    questions[0]?.onCancel(() => calledBack++);
    expect(calledBack).toBe(2);
  });

  test("what is cancelled before it is asked is not asked", async () => {
    const fixture = await setUp();
    const [asker, asked] = [await join(fixture), await join(fixture)];
    const questions = silence(asked);
    const cancelled = new CancellationSource();
    cancelled.cancel();
    const question = ask(() => asker.broker.call(asked.broker.worker, "method", 1, cancelled));
    await fixture.settle();
    expect(question.outcome).toEqual(unavailable);
    expect(questions).toEqual([]);
  });

  test("cancelling after the answer changes nothing", async () => {
    const fixture = await setUp();
    const [asker, asked] = [await join(fixture), await join(fixture)];
    let seen: Cancellation | undefined;
    asked.reply = (_method, _argument, cancellation) => {
      seen = cancellation;
      return 1;
    };
    const source = new CancellationSource();
    const question = ask(() => asker.broker.call(asked.broker.worker, "method", 1, source));
    await fixture.settle();
    source.cancel();
    await fixture.settle();
    expect(question.outcome).toEqual({ value: 1 });
    expect(seen?.isCancelled).toBe(false);
  });

  test("the other side is told when the asker goes", async () => {
    const fixture = await setUp();
    const [asker, asked] = [await join(fixture), await join(fixture)];
    const questions = silence(asked);
    ask(() => asker.broker.call(asked.broker.worker, "method", 1));
    await fixture.settle();
    await fixture.leave(asker.broker);
    await fixture.settle();
    expect(questions.map(({ isCancelled }) => isCancelled)).toEqual([true]);
  });

  test("gathering asks every other worker, and leaves out who throws or goes", async () => {
    const fixture = await setUp();
    const [asker, first, second, failing, leaving] = [
      await join(fixture),
      await join(fixture),
      await join(fixture),
      await join(fixture),
      await join(fixture),
    ];
    asker.reply = () => "itself";
    first.reply = (method, argument) => [method, argument, 1];
    second.reply = async (method, argument) => [method, argument, 2];
    failing.reply = () => {
      throw new StarlingError("internal");
    };
    silence(leaving);
    const gathered = ask(() => asker.broker.gather("method", "argument"));
    await fixture.settle();
    expect(gathered.outcome).toBeUndefined();
    await fixture.leave(leaving.broker);
    await fixture.settle();
    const { outcome } = gathered;
    const answers = outcome !== undefined && "value" in outcome ? [...outcome.value] : [];
    expect(answers.map((each) => JSON.stringify(each)).toSorted()).toEqual([
      '["method","argument",1]',
      '["method","argument",2]',
    ]);
  });

  test("gathering waits for two seconds, and then tells those who did not answer", async () => {
    const fixture = await setUp();
    const [asker, quick, slow] = [await join(fixture), await join(fixture), await join(fixture)];
    quick.reply = () => 1;
    const questions = silence(slow);
    const gathered = ask(() => asker.broker.gather("method", null));
    await fixture.advance(1_999);
    expect(gathered.outcome).toBeUndefined();
    await fixture.advance(1);
    expect(gathered.outcome).toEqual({ value: [1] });
    expect(questions.map(({ isCancelled }) => isCancelled)).toEqual([true]);
  });

  test("a worker that is alone gathers nothing and disconnects nobody", async () => {
    const fixture = await setUp();
    const { broker } = await join(fixture);
    expect(await answered(fixture, () => broker.gather("method", null))).toEqual([]);
    expect(await answered(fixture, () => broker.disconnect("default", { user: "u" }))).toEqual(
      disconnected(0),
    );
  });

  test("a ban is told to all workers, and to one that comes later when it asks", async () => {
    const fixture = await setUp();
    const [first, second] = [await join(fixture), await join(fixture)];
    const told = [first, second].map((worker) => {
      const heard: unknown[] = [];
      worker.reply = (method, argument) => void heard.push([method, argument]);
      return heard;
    });
    const until = Date.UTC(2100, 0, 1);
    await answered(fixture, () => first.broker.ban("shop", "ada", until));
    const ban = expect.objectContaining({ app: "shop", user: "ada", until });
    for (const heard of told) expect(heard).toEqual([["bans", [ban]]]);
    const late = await join(fixture);
    const known = () => answered(fixture, () => late.broker.bans(""));
    expect(await known()).toMatchObject({ bans: [ban], next: "" });
    await answered(fixture, () => second.broker.ban("shop", "ada", 0));
    const lifted = expect.objectContaining({ user: "ada", until: 0 });
    for (const heard of told) expect(heard.slice(1)).toEqual([["bans", [lifted]]]);
    expect(await known()).toMatchObject({ bans: [lifted], next: "" });
  });

  test("disconnecting says whether all have answered", async () => {
    const fixture = await setUp();
    const [asker, silent, other] = [await join(fixture), await join(fixture), await join(fixture)];
    silence(silent);
    other.reply = () => 2;
    const asked = ask(() => asker.broker.disconnect("shop", { connection: "1" }));
    await fixture.settle();
    await fixture.advance(2_000);
    expect(asked.outcome).toEqual({ value: { ...disconnected(2), isComplete: false } });
  });

  test("disconnecting asks all others, and answers how many connections that were", async () => {
    const fixture = await setUp();
    const [asker, first, second] = [await join(fixture), await join(fixture), await join(fixture)];
    asker.reply = () => 100;
    const questions: unknown[] = [];
    for (const [worker, count] of [
      [first, 2],
      [second, 3],
    ] as const) {
      worker.reply = (method, argument) => {
        questions.push([method, argument]);
        return count;
      };
    }
    const target = { user: "u" };
    expect(await answered(fixture, () => asker.broker.disconnect("shop", target))).toEqual(
      disconnected(5),
    );
    expect(questions).toEqual(Array(2).fill(["disconnect", { app: "shop", target }]));
  });
}

function bytesAsArrays(_key: string, value: unknown): unknown {
  return value instanceof Uint8Array ? [...value] : value;
}
