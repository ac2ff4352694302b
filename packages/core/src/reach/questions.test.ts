import { expect, test } from "bun:test";
import { FakeClock } from "../testing/fake-clock.ts";
import { NodeQuestions } from "./questions.ts";
import type { ReachMessage } from "./transport.ts";

const MAX_OPEN = 10_000;

function setUp() {
  const clock = new FakeClock();
  const sent: ReachMessage[] = [];
  const transport = {
    isUp: true,
    nodes: () => [],
    send: (_to: unknown, message: ReachMessage) => sent.push(message) > 0 && transport.isUp,
  };
  const questions = new NodeQuestions({ transport, clock });
  const ask = (start = "a") => {
    const asked = { outcome: undefined as unknown };
    questions.ask(start, "method", null, 1_000).then(
      (value) => {
        asked.outcome = value;
      },
      (error) => {
        asked.outcome = error.errorName;
      },
    );
    return asked;
  };
  return { clock, sent, transport, questions, ask };
}

test("a question has the answer of the node that was asked, and of no other", async () => {
  const { questions, ask } = setUp();
  const [first, second] = [ask("a"), ask("b")];
  questions.receive("b", { type: "answer", number: 1, value: "wrong" });
  questions.receive("b", {
    type: "refusal",
    number: 2,
    error: "idempotency_conflict",
    message: "",
  });
  questions.receive("a", { type: "answer", number: 1, value: "right" });
  questions.receive("a", { type: "answer", number: 1, value: "again" });
  await Promise.resolve();
  expect([first.outcome, second.outcome]).toEqual(["right", "idempotency_conflict"]);
  expect(questions.size).toBe(0);
});

test("an error that this version does not know is an internal one", async () => {
  const { questions, ask } = setUp();
  const asked = ask();
  questions.receive("a", { type: "refusal", number: 1, error: "toString", message: "" });
  await Promise.resolve();
  expect(asked.outcome).toBe("internal");
});

test("a question ends with its time, with its node and with the link, and leaves no timer", async () => {
  const { clock, transport, questions, ask } = setUp();
  const late = ask();
  clock.advance(1_000);
  const gone = ask("gone");
  questions.gone("other");
  questions.gone("gone");
  const cut = ask();
  questions.linkDown();
  transport.isUp = false;
  const never = ask();
  await Promise.resolve();
  for (const { outcome } of [late, gone, cut, never]) expect(outcome).toBe("broker_unavailable");
  expect([questions.size, questions.late, clock.pendingTimers]).toEqual([0, 1, 0]);
});

test("there are no more open questions than there may be", async () => {
  const { questions, ask, sent } = setUp();
  for (let count = 0; count < MAX_OPEN; count++) ask();
  const refused = ask();
  await Promise.resolve();
  expect(refused.outcome).toBe("broker_unavailable");
  expect([questions.size, questions.refused, sent.length]).toEqual([MAX_OPEN, 1, MAX_OPEN]);
});
