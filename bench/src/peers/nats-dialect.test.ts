import { expect, test } from "bun:test";
import { NatsDialect, natsPublications } from "./nats-dialect.ts";

/** A connection that remembers what the dialect did with it. */
function session(dialect: NatsDialect) {
  const sent: string[] = [];
  const self = {
    joined: false,
    sent,
    send: (message: string | Uint8Array) => {
      // The server refuses text messages.
      if (typeof message === "string") throw new Error("a text message");
      sent.push(Buffer.from(message).toString());
    },
    join: () => {
      self.joined = true;
    },
    take: (text: string) => {
      const buffer = Buffer.from(`..${text}..`);
      return dialect.received(self, buffer, 2, buffer.length - 2);
    },
  };
  dialect.opened(self);
  return self;
}

test("a subscriber connects after the server has spoken, and joins once it is subscribed", () => {
  const one = session(new NatsDialect("room"));
  expect(one.sent).toEqual([]);
  expect(one.take('INFO {"server_id":"N"}\r\n')).toBe(0);
  expect(one.sent.join("")).toMatch(/^CONNECT \{"verbose":false,.*\}\r\nSUB room 1\r\nPING\r\n$/);
  expect(one.joined).toBe(false);
  one.take("PONG\r\n");
  expect(one.joined).toBe(true);
});

test("a second INFO does not connect again", () => {
  const one = session(new NatsDialect("room"));
  one.take("INFO {}\r\nPONG\r\nINFO {}\r\n");
  expect(one.sent.length).toBe(1);
});

test("only publications are deliveries, and a ping is answered", () => {
  const one = session(new NatsDialect("room"));
  one.take("INFO {}\r\nPONG\r\n");
  expect(one.take("PING\r\nMSG room 1 2\r\n{}\r\nMSG room 1 2\r\n{}\r\n")).toBe(2);
  expect(one.sent.at(-1)).toBe("PONG\r\n");
});

test("a publisher subscribes to nothing, and hears when its publications were taken", () => {
  let answers = 0;
  const one = session(
    new NatsDialect(undefined, () => {
      answers += 1;
    }),
  );
  one.take("INFO {}\r\n");
  expect(one.sent.join("")).not.toContain("SUB");
  one.take("PONG\r\n");
  expect([one.joined, answers]).toEqual([true, 0]);
  one.take("PONG\r\n");
  expect(answers).toBe(1);
});

test("publications carry their length in bytes", () => {
  expect(natsPublications("room", ["é", "{}"]).toString()).toBe(
    "PUB room 2\r\né\r\nPUB room 2\r\n{}\r\nPING\r\n",
  );
});
