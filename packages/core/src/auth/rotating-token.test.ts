import { afterEach, describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { FakeClock } from "../testing/fake-clock.ts";
import { RotatingToken, type RotatingTokenOptions } from "./rotating-token.ts";

const secret = "correct horse battery staple";
const hour = 3_600_000;
const day = 24 * hour;
const minute = 60_000;

/** The contract's formula, with the platform's own SHA-512. */
function tokenOf(date: string, key = secret): string {
  return createHash("sha512")
    .update(key + date)
    .digest("hex");
}

function at(iso: string, options: Partial<RotatingTokenOptions> = {}) {
  const clock = new FakeClock(Date.parse(iso));
  const token = new RotatingToken({
    secret,
    renewStartHour: 0,
    renewIntervalMs: day,
    graceMs: 0,
    clock,
    ...options,
  });
  return { clock, token };
}

describe("the formula", () => {
  test("month and day carry no leading zeros", () => {
    expect(at("2026-11-05T12:00:00Z").token.current()).toBe(tokenOf("2026-11-5"));
    expect(at("2026-03-09T12:00:00Z").token.current()).toBe(tokenOf("2026-3-9"));
    expect(at("2026-12-31T12:00:00Z").token.current()).toBe(tokenOf("2026-12-31"));
  });

  test("a secret beyond ASCII is hashed as UTF-8", () => {
    const { token } = at("2026-01-02T00:00:00Z", { secret: "пароль-🔑" });
    expect(token.current()).toBe(tokenOf("2026-1-2", "пароль-🔑"));
  });

  test("another secret gives another token", () => {
    expect(at("2026-01-02T00:00:00Z").token.accepts(tokenOf("2026-1-2", "other"))).toBe(false);
  });
});

describe("calendar edges", () => {
  const edges: [string, string, string][] = [
    ["2026-11-05T23:59:59.999Z", "2026-11-5", "2026-11-6"],
    ["2026-04-30T23:59:59.999Z", "2026-4-30", "2026-5-1"],
    ["2026-12-31T23:59:59.999Z", "2026-12-31", "2027-1-1"],
    ["2028-02-28T23:59:59.999Z", "2028-2-28", "2028-2-29"],
    ["2028-02-29T23:59:59.999Z", "2028-2-29", "2028-3-1"],
    ["2027-02-28T23:59:59.999Z", "2027-2-28", "2027-3-1"],
    ["2100-02-28T23:59:59.999Z", "2100-2-28", "2100-3-1"],
  ];
  for (const [lastMoment, before, after] of edges) {
    test(`after ${before} comes ${after}`, () => {
      const { clock, token } = at(lastMoment);
      expect(token.current()).toBe(tokenOf(before));
      clock.advance(1);
      expect(token.current()).toBe(tokenOf(after));
    });
  }

  test("a process that runs for 800 days always has the day's token", () => {
    const { clock, token } = at("2027-01-01T00:00:00Z");
    for (let index = 0; index < 800; index++) {
      const date = new Date(clock.now());
      const name = `${date.getUTCFullYear()}-${date.getUTCMonth() + 1}-${date.getUTCDate()}`;
      expect(token.current()).toBe(tokenOf(name));
      clock.advance(day);
    }
  });
});

describe("renewal hour and interval", () => {
  const intervals: [number, number, string, string][] = [
    // start hour, interval, last moment of the old token, first moment of the new one
    [6, day, "05:59:59.999", "06:00:00.000"],
    [6, 2 * day, "05:59:59.999", "06:00:00.000"],
    [6, 12 * hour, "05:59:59.999", "06:00:00.000"],
    [6, hour, "-1", "00:00:00.000"],
    [6, 7 * hour, "02:59:59.999", "03:00:00.000"],
    [6, 18 * hour, "-1", "00:00:00.000"],
    [6, 13 * hour, "05:59:59.999", "06:00:00.000"],
    [23, hour, "-1", "00:00:00.000"],
    [23, 90 * minute, "00:29:59.999", "00:30:00.000"],
    [23, day, "22:59:59.999", "23:00:00.000"],
    [0, 7 * hour, "-1", "00:00:00.000"],
    [0, 5 * day, "-1", "00:00:00.000"],
    [12, 1, "-1", "00:00:00.000"],
  ];
  for (const [renewStartHour, renewIntervalMs, old, changed] of intervals) {
    test(`start hour ${renewStartHour}, interval ${renewIntervalMs / hour} h: changes at ${changed}`, () => {
      const options = { renewStartHour, renewIntervalMs };
      const lastOld = old === "-1" ? "2026-11-05T23:59:59.999Z" : `2026-11-06T${old}Z`;
      expect(at(lastOld, options).token.current()).toBe(tokenOf("2026-11-5"));
      expect(at(`2026-11-06T${changed}Z`, options).token.current()).toBe(tokenOf("2026-11-6"));
      expect(at("2026-11-06T23:59:59.999Z", options).token.current()).toBe(tokenOf("2026-11-6"));
    });
  }

  test("the token is the date of the latest renewal moment, whatever the settings", () => {
    for (const renewStartHour of [0, 1, 6, 13, 23]) {
      for (const intervalMinutes of [1, 7, 45, 60, 61, 420, 779, 1439, 1440, 1441, 4000]) {
        const renewIntervalMs = intervalMinutes * minute;
        const { clock, token } = at("2028-02-28T00:00:00Z", { renewStartHour, renewIntervalMs });
        for (let step = 0; step < 60; step++) {
          expect(token.current()).toBe(
            tokenOf(latestRenewal(clock.now(), renewStartHour, renewIntervalMs)),
          );
          clock.advance(59 * minute);
        }
      }
    }
  });

  test("the age of the process makes no difference", () => {
    const options = { renewStartHour: 5, renewIntervalMs: 7 * hour };
    const old = at("2026-01-01T03:17:00Z", options);
    for (let step = 0; step < 100; step++) {
      old.clock.advance(5 * hour + 11);
      const fresh = at(new Date(old.clock.now()).toISOString(), options);
      expect(old.token.current()).toBe(fresh.token.current());
    }
  });

  test("a clock that is set back gives the earlier token again", () => {
    const { clock, token } = at("2026-11-06T00:00:00Z");
    expect(token.current()).toBe(tokenOf("2026-11-6"));
    clock.jumpTo(Date.parse("2026-11-05T23:00:00Z"));
    expect(token.current()).toBe(tokenOf("2026-11-5"));
    expect(token.accepts(tokenOf("2026-11-6"))).toBe(false);
  });
});

/** Renewal moments found by walking from the start hour, as an independent check. */
function latestRenewal(now: number, startHour: number, intervalMs: number): string {
  let anchor = Math.floor(now / day) * day + startHour * hour;
  if (anchor > now) anchor -= day;
  let renewal = anchor;
  while (renewal + intervalMs <= now) renewal += intervalMs;
  const date = new Date(renewal);
  return `${date.getUTCFullYear()}-${date.getUTCMonth() + 1}-${date.getUTCDate()}`;
}

describe("grace", () => {
  const yesterday = tokenOf("2026-11-5");
  const today = tokenOf("2026-11-6");
  const graceMs = 10 * minute;

  const moments: [string, boolean, boolean][] = [
    ["2026-11-05T23:49:59.999Z", true, false],
    ["2026-11-05T23:50:00.000Z", true, true],
    ["2026-11-05T23:59:59.999Z", true, true],
    ["2026-11-06T00:00:00.000Z", true, true],
    ["2026-11-06T00:09:59.999Z", true, true],
    ["2026-11-06T00:10:00.000Z", false, true],
  ];
  for (const [moment, oldAccepted, newAccepted] of moments) {
    test(`at ${moment} the old token is ${oldAccepted ? "accepted" : "refused"}, the new one ${newAccepted ? "accepted" : "refused"}`, () => {
      const { token } = at(moment, { graceMs });
      expect(token.accepts(yesterday)).toBe(oldAccepted);
      expect(token.accepts(today)).toBe(newAccepted);
    });
  }

  test("grace lies around the change of token, not around midnight", () => {
    const options = { graceMs, renewStartHour: 6 };
    expect(at("2026-11-06T00:05:00Z", options).token.accepts(today)).toBe(false);
    expect(at("2026-11-06T05:50:00Z", options).token.accepts(today)).toBe(true);
    expect(at("2026-11-06T06:09:59Z", options).token.accepts(yesterday)).toBe(true);
    expect(at("2026-11-06T06:10:00Z", options).token.accepts(yesterday)).toBe(false);
  });

  test("the token of two days ago is refused with the longest grace", () => {
    const { token } = at("2026-11-06T12:00:00Z", { graceMs: day - 1 });
    expect(token.accepts(yesterday)).toBe(true);
    expect(token.accepts(tokenOf("2026-11-4"))).toBe(false);
    expect(token.accepts(tokenOf("2026-11-8"))).toBe(false);
  });

  test("without grace only the current token is accepted", () => {
    const { token } = at("2026-11-06T00:00:00Z");
    expect(token.accepts(today)).toBe(true);
    expect(token.accepts(yesterday)).toBe(false);
  });
});

describe("time zones", () => {
  const original = process.env.TZ;
  afterEach(() => {
    if (original === undefined) delete process.env.TZ;
    else process.env.TZ = original;
  });

  for (const zone of ["UTC", "Pacific/Kiritimati", "America/Los_Angeles", "Asia/Kathmandu"]) {
    test(`in ${zone} the token changes at midnight UTC`, () => {
      process.env.TZ = zone;
      const { clock, token } = at("2026-11-05T23:59:59.999Z");
      expect(token.current()).toBe(tokenOf("2026-11-5"));
      clock.advance(1);
      expect(token.current()).toBe(tokenOf("2026-11-6"));
    });
  }

  test("a zone that changes under the running process changes nothing", () => {
    const { clock, token } = at("2026-03-28T22:30:00Z");
    for (const zone of ["Europe/Berlin", "Asia/Tokyo", "Pacific/Pago_Pago"]) {
      process.env.TZ = zone;
      expect(token.accepts(tokenOf("2026-3-28"))).toBe(true);
    }
    process.env.TZ = "Europe/Berlin";
    clock.advance(90 * minute);
    expect(token.current()).toBe(tokenOf("2026-3-29"));
  });
});

test("what is not a token is refused, whatever its type", () => {
  const { token } = at("2026-11-06T00:00:00Z");
  const current = token.current();
  const wrong: unknown[] = [undefined, null, 0, 1, true, {}, [current], "", "x", () => current];
  wrong.push(current.toUpperCase(), current.slice(1), `${current}0`, `${current.slice(0, 127)}g`);
  wrong.push({ toString: () => current });
  for (const value of wrong) expect(token.accepts(value)).toBe(false);
});

test("an option outside its range is refused by name", () => {
  const moment = "2026-11-06T00:00:00Z";
  expect(() => at(moment, { secret: "" })).toThrow("secret");
  expect(() => at(moment, { renewStartHour: 24 })).toThrow("renewStartHour is 24");
  expect(() => at(moment, { renewStartHour: -1 })).toThrow("renewStartHour is -1");
  expect(() => at(moment, { renewStartHour: 1.5 })).toThrow("renewStartHour is 1.5");
  expect(() => at(moment, { renewIntervalMs: 0 })).toThrow("renewIntervalMs is 0");
  expect(() => at(moment, { renewIntervalMs: Number.NaN })).toThrow("renewIntervalMs is NaN");
  expect(() => at(moment, { graceMs: -1 })).toThrow("graceMs is -1");
  expect(() => at(moment, { graceMs: day })).toThrow("graceMs is 86400000");
});
