import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { Decoder, PacketType } from "socket.io-parser";
import type { Frame } from "../../hub/subscriber.ts";
import { SocketIoClient } from "./client.ts";
import { encodePacket, socketIoFormat } from "./packets.ts";

/** What the stock client makes of these frames. */
function decodeAsClient(frames: readonly Frame[]): unknown {
  const decoder = new Decoder();
  let decoded: unknown;
  decoder.on("decoded", (packet) => {
    decoded = packet;
  });
  for (const frame of frames) decoder.add(typeof frame === "string" ? frame.slice(1) : frame);
  return decoded;
}

describe("a publication", () => {
  test("is the event that the stock client decodes, whatever its name and data", () => {
    const name = fc.string({ minLength: 1 }).map((text) => `e${text}`);
    fc.assert(
      fc.property(name, fc.jsonValue(), (event, value) => {
        const data = JSON.stringify(value);
        const frames = socketIoFormat.encode({ app: "default", channel: "c", event, data });
        expect(decodeAsClient(frames)).toEqual({
          type: PacketType.EVENT,
          nsp: "/",
          data: [event, JSON.parse(data)],
        });
      }),
    );
  });

  test("keeps the text of its data, down to numbers that JavaScript cannot hold", () => {
    const data = '{"id":12345678901234567890, "a": [ 1 ]}';
    const frames = socketIoFormat.encode({ app: "shop", channel: "c", event: "e", data });
    expect(frames).toEqual([`42/shop,["e",${data}]`]);
  });

  test("carries binary parts as the stock client decodes them", () => {
    const attachments = [new Uint8Array([1, 2]), new Uint8Array([3])];
    const data = '[{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]';
    const frames = socketIoFormat.encode({
      app: "default",
      channel: "c",
      event: "e",
      data,
      attachments,
    });
    expect(decodeAsClient(frames)).toMatchObject({ nsp: "/", data: ["e", attachments] });
  });
});

describe("reading packets", () => {
  test("either answers a packet, waits for its binary parts, or throws an Error", () => {
    const message = fc.oneof(
      fc.string(),
      fc.uint8Array(),
      fc.json().map((json) => `2${json}`),
      fc.json().map((json) => `51-${json}`),
      fc.string().map((text) => `2/${text},1["a"]`),
      fc.constantFrom("0", "1", "3", '43["a"]', '51-["a",{"_placeholder":true,"num":0}]', "2"),
    );
    fc.assert(
      fc.property(fc.array(message), (messages) => {
        const reader = new SocketIoClient(undefined);
        for (const each of messages) {
          try {
            const received = reader.read(each);
            if (received !== undefined) expect(received.packet.nsp.startsWith("/")).toBe(true);
          } catch (error) {
            expect(error).toBeInstanceOf(Error);
            return;
          }
        }
      }),
    );
  });

  test("gives back what was encoded, with the text of its payload", () => {
    const namespace = fc.constantFrom("/", "/shop");
    const id = fc.option(fc.nat(), { nil: undefined });
    fc.assert(
      fc.property(namespace, id, fc.array(fc.jsonValue()), (nsp, ackId, args) => {
        const data = ["event", ...args];
        const packet = { type: PacketType.EVENT, nsp, data };
        const frames = encodePacket(ackId === undefined ? packet : { ...packet, id: ackId });
        const received = new SocketIoClient(undefined).read(String(frames[0]).slice(1));
        expect(received?.packet).toEqual(
          JSON.parse(JSON.stringify({ ...packet, ...(ackId === undefined ? {} : { id: ackId }) })),
        );
        expect(received?.text).toBe(JSON.stringify(data));
      }),
    );
  });

  test("collects binary parts beside the text that refers to them", () => {
    const part = new Uint8Array([7]);
    const frames = encodePacket({ type: PacketType.EVENT, nsp: "/", id: 3, data: ["e", { part }] });
    const reader = new SocketIoClient(undefined);
    expect(reader.read(String(frames[0]).slice(1))).toBeUndefined();
    const received = reader.read(part);
    expect(received?.text).toBe('["e",{"part":{"_placeholder":true,"num":0}}]');
    expect(received?.attachments).toEqual([part]);
    expect(received?.packet.id).toBe(3);
  });

  test("refuses an eleventh binary part before it is sent", () => {
    expect(() => new SocketIoClient(undefined).read('511-["e"]')).toThrow("too many attachments");
  });
});
