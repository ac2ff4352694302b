import { expect, test } from "bun:test";
import fc from "fast-check";
import { Dots } from "./dots.ts";
import { assembled, replicaOf } from "./interest.ts";
import { Interests } from "./interests.ts";
import { Peer } from "./peer.ts";

const told = { context: Dots.none(), entries: [], news: [] };
const part = (heard: Dots) => ({ ...told, heard });

function replica() {
  return replicaOf(new Interests().add("app", "room"), new Peer("a", "a1", 1));
}

test("what an answer says was heard holds once all of its parts are there, in any order", () => {
  const order = fc.shuffledSubarray([1, 2, 3, 4], { minLength: 4 });
  fc.assert(
    fc.property(order, (indices) => {
      const whole = replica();
      const heard = indices.map((index) => {
        const isLast = index === 4;
        const delta = part(isLast ? Dots.range(1, 9) : Dots.none());
        return assembled(whole, { answer: 1, index, isLast }, delta).heard.last;
      });
      expect(heard).toEqual([0, 0, 0, 9]);
    }),
  );
});

test("what an answer says was heard does not hold where a part is missing, or of another answer", () => {
  const missing = replica();
  const last = (answer: number) => ({ answer, index: 2, isLast: true });
  expect(assembled(missing, last(1), part(Dots.range(1, 9))).heard.isEmpty).toBe(true);
  const first = { answer: 2, index: 1, isLast: false };
  expect(assembled(missing, first, part(Dots.none())).heard.isEmpty).toBe(true);
  expect(assembled(missing, last(2), part(Dots.range(1, 8))).heard.last).toBe(8);
});

test("what is no part of a longer answer holds at once", () => {
  expect(assembled(replica(), undefined, part(Dots.range(1, 9))).heard.last).toBe(9);
});
