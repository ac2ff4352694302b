import { expect, test } from "bun:test";
import fc from "fast-check";
import { NatsReader } from "./nats-reader.ts";

function collect() {
  const heard: string[] = [];
  const reader = new NatsReader({
    info: () => heard.push("INFO"),
    ping: () => heard.push("PING"),
    pong: () => heard.push("PONG"),
  });
  return {
    heard,
    push: (bytes: string | Buffer) =>
      reader.push(typeof bytes === "string" ? Buffer.from(bytes) : bytes),
  };
}

/** A protocol message as the server writes it, and what is to become of it. */
const message = fc.oneof(
  fc.constantFrom(
    { text: 'INFO {"server_id":"N","max_payload":1048576}\r\n', heard: "INFO" },
    { text: "PING\r\n", heard: "PING" },
    { text: "PONG\r\n", heard: "PONG" },
    { text: "+OK\r\n", heard: "" },
  ),
  // Payloads look like protocol here and there: only their length may end them.
  fc
    .array(fc.constantFrom("PING\r\n", "x", "é", "MSG a 1 5\r\n", "\r", "-ERR"), { maxLength: 5 })
    .map((parts) => {
      const payload = parts.join("");
      const head = `MSG room.a 1 ${Buffer.byteLength(payload)}`;
      return { text: `${head}\r\n${payload}\r\n`, heard: "MSG" };
    }),
);

test("what the server says is read wherever the stream is cut", () => {
  fc.assert(
    fc.property(fc.array(message, { maxLength: 8 }), fc.array(fc.nat()), (messages, cuts) => {
      const stream = Buffer.from(messages.map(({ text }) => text).join(""));
      const { heard, push } = collect();
      const places = cuts.map((cut) => cut % (stream.length + 1)).sort((a, b) => a - b);
      let publications = 0;
      let from = 0;
      for (const to of [...places, stream.length]) {
        // Overwritten afterwards, as a runtime's reused receive buffer would be.
        const chunk = Buffer.from(stream.subarray(from, to));
        publications += push(chunk);
        chunk.fill(0x0d);
        from = to;
      }
      const wanted = messages.map((one) => one.heard);
      expect(publications).toBe(wanted.filter((one) => one === "MSG").length);
      expect(heard).toEqual(wanted.filter((one) => one !== "MSG" && one !== ""));
    }),
    { seed: 11, numRuns: 300 },
  );
});

test("a publication with a reply subject is counted, its payload is not read", () => {
  const { heard, push } = collect();
  expect(push("MSG a 1 _INBOX.b 6\r\nPING\r\n\r\nMSG a 1 0\r\n\r\n")).toBe(2);
  expect(heard).toEqual([]);
});

test("a refusal is an error that quotes it", () => {
  expect(() => collect().push("-ERR 'Unknown Protocol Operation'\r\n")).toThrow("Unknown Protocol");
});

test("what is no NATS, and a publication without a length, are errors", () => {
  expect(() => collect().push("HTTP/1.1 400 Bad Request\r\n")).toThrow("HTTP/1.1 400");
  expect(() => collect().push("MSG a 1 many\r\n")).toThrow("MSG a 1 many");
});
