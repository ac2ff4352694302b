import { expect, test } from "bun:test";
import { FakeClock } from "../../testing/fake-clock.ts";
import { RecordingLog } from "../../testing/recording-log.ts";
import { turn } from "../../testing/turn.ts";
import { AnswerWatch } from "./answer-watch.ts";

function setUp() {
  const clock = new FakeClock();
  const changes: boolean[] = [];
  const asked: PromiseWithResolvers<void>[] = [];
  const connection = {
    flush() {
      const answer = Promise.withResolvers<void>();
      asked.push(answer);
      return answer.promise;
    },
  };
  const log = new RecordingLog();
  const watch = new AnswerWatch({ clock, log, changed: (isLate) => void changes.push(isLate) });
  const answer = async () => {
    asked.shift()?.resolve();
    await turn();
  };
  return { clock, changes, asked, connection, watch, answer };
}

test("a link that answers late is said to, until an answer is in time", async () => {
  const { clock, changes, asked, connection, watch, answer } = setUp();
  watch.up(connection);
  clock.advance(4_999);
  await answer();
  clock.advance(1_000);
  clock.advance(5_000);
  expect(changes).toEqual([true]);
  clock.advance(60_000);
  await answer();
  expect(asked).toHaveLength(0);
  clock.advance(1_000);
  expect(changes).toEqual([true]);
  await answer();
  expect(changes).toEqual([true, false]);
});

test("a link that was lost is asked nothing, and what was late before it is so until the next one answers", async () => {
  const { clock, changes, asked, connection, watch, answer } = setUp();
  watch.up(connection);
  clock.advance(5_000);
  watch.down();
  await answer();
  clock.advance(60_000);
  expect([changes, asked.length, clock.pendingTimers]).toEqual([[true], 0, 0]);
  watch.up(connection);
  asked[0]?.reject(new Error("lost"));
  asked.shift();
  await turn();
  watch.up(connection);
  await answer();
  expect(changes).toEqual([true, false]);
  watch.down();
  expect(clock.pendingTimers).toBe(0);
});
