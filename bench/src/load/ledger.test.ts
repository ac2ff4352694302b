import { expect, test } from "bun:test";
import { Ledger } from "./ledger.ts";

test("who has heard all states in order is up to date", () => {
  const ledger = new Ledger(2);
  const first = ledger.sent(0);
  const second = ledger.sent(0);
  ledger.state(1, 0, first);
  expect(ledger.outdated()).toBe(1);
  ledger.state(1, 0, second);
  expect(ledger.outdated()).toBe(0);
  expect(ledger.counts()).toEqual({ deliveries: 2, bytes: 0, wrong: 0, closed: 0 });
});

test("a state that is left out is no fault when a later one came", () => {
  const ledger = new Ledger(2);
  ledger.sent(0);
  ledger.state(1, 0, ledger.sent(0));
  expect(ledger.outdated()).toBe(0);
  expect(ledger.counts().wrong).toBe(0);
});

test("a state that comes twice, late or back to its sender is wrong", () => {
  const ledger = new Ledger(3);
  const early = ledger.sent(0);
  const late = ledger.sent(0);
  ledger.state(1, 0, late);
  ledger.state(1, 0, late);
  expect(ledger.counts().wrong).toBe(1);
  ledger.state(1, 0, early);
  expect(ledger.counts().wrong).toBe(2);
  ledger.state(0, 0, late);
  expect(ledger.counts().wrong).toBe(3);
});

test("of every pair one hears the other come, and its state", () => {
  const ledger = new Ledger(2);
  expect(ledger.strangers(false)).toBe(1);
  ledger.online(0, 1);
  expect(ledger.strangers(false)).toBe(1);
  ledger.state(0, 1, ledger.sent(1));
  expect(ledger.strangers(false)).toBe(0);
  expect(ledger.strangers(true)).toBe(1);
  ledger.state(1, 0, ledger.sent(0));
  expect(ledger.strangers(true)).toBe(0);
  ledger.online(0, 1);
  expect(ledger.counts().wrong).toBe(1);
});

test("who was disconnected need not be up to date", () => {
  const ledger = new Ledger(2);
  ledger.sent(0);
  ledger.closed(1);
  expect(ledger.outdated()).toBe(0);
  expect(ledger.strangers(true)).toBe(0);
  expect(ledger.counts().closed).toBe(1);
});
