import { expect, test } from "bun:test";
import { cursorState, memberId, readSequence, readSignal, signal } from "./signals.ts";

const channel = "cursors:test";

/** The signal amid other bytes, as frames lie in a receive buffer. */
function read(bytes: Buffer) {
  const buffer = Buffer.concat([Buffer.from("before"), bytes, Buffer.from("after")]);
  return readSignal(channel, buffer, 6, 6 + bytes.length);
}

test("a join is written as the specification's example shows it", () => {
  const state = Buffer.from("81a26964a3616461", "hex");
  expect(signal("channel_join", "room", undefined, state).toString("hex")).toBe(
    "84a174a7636f6e74726f6ca26f70ac6368616e6e656c5f6a6f696ea163a4726f6f6da2706cc40881a26964a3616461",
  );
});

test("the op, the member and the sequence are found in what a server sends", () => {
  const state = signal("peer_state", channel, memberId(12_345), cursorState(12_345, 70_000));
  expect(read(state)).toEqual({ op: "peer_state", member: 12_345 });
  expect(readSequence(state, state.length)).toBe(70_000);
  expect(read(signal("peer_online", channel, memberId(7)))).toEqual({
    op: "peer_online",
    member: 7,
  });
  expect(read(signal("channel_join", channel, ""))).toEqual({ op: "channel_join", member: -1 });
});

test("a signal of another op or of a stranger stops the run", () => {
  const offline = Buffer.from(signal("peer_state", channel, memberId(1)));
  offline[14] = 0xac;
  expect(() => read(offline)).toThrow("unexpected signal");
  expect(() => read(signal("peer_state", channel, "strange"))).toThrow("stranger");
});

test("every state of a run is as long", () => {
  const lengths = [cursorState(0, 0), cursorState(99_999, 0xffff_ffff)].map((one) => one.length);
  expect(lengths).toEqual([62, 62]);
});
