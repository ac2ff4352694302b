import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { FakeClock } from "../../testing/fake-clock.ts";
import { type HeartbeatMember, HeartbeatWheel } from "./heartbeat.ts";

interface Member extends HeartbeatMember {
  readonly addedAt: number;
  readonly pings: number[];
  expiredAt: number | undefined;
  answers: boolean;
}

function setUp(intervalMs = 25_000, timeoutMs = 20_000) {
  const clock = new FakeClock();
  const slots = new Map<Member, number>();
  const wheel = new HeartbeatWheel<Member>({
    clock,
    intervalMs,
    timeoutMs,
    ping(_slot, members) {
      for (const member of members) {
        member.pings.push(clock.now());
        if (member.answers) member.pingedAt = 0;
      }
    },
    expire(member) {
      member.expiredAt = clock.now();
      wheel.remove(member, slots.get(member) ?? -1);
    },
  });
  const add = (answers = true): Member => {
    const member = {
      bagIndex: -1,
      pingedAt: 0,
      addedAt: clock.now(),
      pings: [],
      expiredAt: undefined,
      answers,
    };
    slots.set(member, wheel.add(member));
    return member;
  };
  const remove = (member: Member): void => wheel.remove(member, slots.get(member) ?? -1);
  return { clock, wheel, add, remove };
}

describe("heartbeats", () => {
  test("ping a member once an interval, the first time at most one interval after it came", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 30_000 }), { maxLength: 20 }), (gaps) => {
        const { clock, add } = setUp();
        const members = gaps.map((gap) => {
          clock.advance(gap);
          return add();
        });
        clock.advance(60_000);
        for (const { addedAt, pings } of members) {
          const first = (pings[0] ?? Number.NaN) - addedAt;
          expect(first).toBeLessThanOrEqual(25_000);
          expect(first).toBeGreaterThan(25_000 - 25_000 / 30 - 1);
          for (let index = 1; index < pings.length; index++) {
            const apart = (pings[index] ?? 0) - (pings[index - 1] ?? 0);
            expect(Math.abs(apart - 25_000)).toBeLessThanOrEqual(1);
          }
        }
      }),
      { seed: 1 },
    );
  });

  test("expire a silent member within interval and timeout, and never a member that answers", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 30_000 }), { maxLength: 20 }),
        fc.integer({ min: 100, max: 60_000 }),
        fc.integer({ min: 100, max: 60_000 }),
        (gaps, interval, timeout) => {
          const { clock, add } = setUp(interval, timeout);
          const answering = add();
          const silent = gaps.map((gap) => {
            clock.advance(gap);
            return add(false);
          });
          clock.advance(2 * (interval + timeout));
          expect(answering.expiredAt).toBeUndefined();
          for (const { addedAt, pings, expiredAt } of silent) {
            const since = (expiredAt ?? Number.NaN) - addedAt;
            expect(since).toBeLessThanOrEqual(interval + timeout + interval / 30 + 1);
            expect((expiredAt ?? 0) - (pings[0] ?? 0)).toBeGreaterThanOrEqual(timeout - 1);
          }
        },
      ),
      { seed: 2 },
    );
  });

  test("need one timer however many members there are, and none when there are none", () => {
    const { clock, add, remove } = setUp();
    const members = Array.from({ length: 100 }, () => add());
    expect(clock.pendingTimers).toBe(1);
    clock.advance(10_000);
    expect(clock.pendingTimers).toBe(1);
    members.forEach(remove);
    expect(clock.pendingTimers).toBe(0);
    const late = add();
    clock.advance(25_000);
    expect(late.pings.length).toBe(1);
  });

  test("forgive members for a pause of the whole process", () => {
    const { clock, add } = setUp();
    const member = add(false);
    clock.advance(25_000);
    expect(member.pings.length).toBe(1);
    clock.jumpTo(clock.now() + 600_000);
    clock.advance(1);
    expect(member.expiredAt).toBeUndefined();
    member.pingedAt = 0;
    member.answers = true;
    clock.advance(60_000);
    expect(member.expiredAt).toBeUndefined();
    expect(member.pings.length).toBeGreaterThan(1);
  });

  test("go on when the clock is set back", () => {
    const { clock, add } = setUp();
    const member = add();
    clock.advance(30_000);
    expect(member.pings.length).toBe(1);
    clock.set(clock.now() - 3_600_000);
    clock.advance(60_000);
    expect(member.pings.length).toBeGreaterThanOrEqual(3);
    expect(member.expiredAt).toBeUndefined();
  });
});
