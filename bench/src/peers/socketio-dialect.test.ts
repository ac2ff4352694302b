import { expect, test } from "bun:test";
import { socketIoDialect, socketIoEvent } from "./socketio-dialect.ts";

/** A session that remembers what the dialect did with it. */
function session() {
  const sent: string[] = [];
  const dialect = socketIoDialect("a");
  const self = {
    joined: false,
    sent,
    send: (text: string) => {
      sent.push(text);
    },
    join: () => {
      self.joined = true;
    },
    take: (text: string) => {
      const buffer = Buffer.from(`..${text}..`);
      return dialect.received(self, buffer, 2, buffer.length - 2);
    },
  };
  return self;
}

test("the handshake is answered with a connect packet, and its answer joins", () => {
  const one = session();
  expect(one.take('0{"sid":"a"}')).toBe(0);
  expect(one.sent).toEqual(['40{"token":"bench"}']);
  expect(one.joined).toBe(false);
  expect(one.take('40{"sid":"b"}')).toBe(0);
  expect(one.joined).toBe(true);
});

test("a refused connection is an error that quotes the refusal", () => {
  const one = session();
  expect(() => one.take('44{"message":"invalid token"}')).toThrow("invalid token");
});

test("a ping is answered and is no delivery, before and after joining", () => {
  const one = session();
  expect(one.take("2")).toBe(0);
  one.joined = true;
  expect(one.take("2")).toBe(0);
  expect(one.sent).toEqual(["3", "3"]);
});

test("only events are deliveries", () => {
  const one = session();
  one.joined = true;
  expect(one.take(socketIoEvent("c", "{}"))).toBe(1);
  expect(one.take("41")).toBe(0);
  expect(one.take("6")).toBe(0);
});
