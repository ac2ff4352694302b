import { Decoder, Encoder, type Packet, PacketType } from "socket.io-parser";
import type { Publication } from "../../hub/publication.ts";
import type { Frame, WireFormat } from "../../hub/subscriber.ts";

/** The Engine.IO message packet type, which leads every text frame. */
const MESSAGE = "4";

/** Binary parts that one event may have. */
const MAX_ATTACHMENTS = 10;

/** Bytes that they may have together: they are kept until the last one is there. */
const MAX_ATTACHMENT_BYTES = 1_048_576;

const encoder = new Encoder();

/** The Engine.IO frames of one Socket.IO packet: its text, then its binary parts. */
export function encodePacket(packet: Omit<Packet, "attachments">): readonly Frame[] {
  const parts: unknown[] = encoder.encode(packet);
  return parts.map((part) => {
    if (typeof part === "string") return MESSAGE + part;
    if (part instanceof Uint8Array) return part;
    if (part instanceof ArrayBuffer) return new Uint8Array(part);
    if (ArrayBuffer.isView(part)) {
      return new Uint8Array(part.buffer, part.byteOffset, part.byteLength);
    }
    throw new TypeError("a packet holds a binary part of an unknown kind");
  });
}

/** The namespace as it stands in a packet: nothing for the main one. */
function namespacePrefix(namespace: string): string {
  return namespace === "/" ? "" : `${namespace},`;
}

/** The namespace that stands for an app: the main one for the default app. */
export function namespaceOfApp(app: string): string {
  return app === "default" ? "/" : `/${app}`;
}

/**
 * Publications as Socket.IO events: the data passes through as the text it is. Where clients may recover,
 * the cursor is one more argument, as in Socket.IO's own connection state recovery.
 */
export const socketIoFormat: WireFormat = {
  id: "sio",
  encode: (publication) => {
    const { cursor } = publication;
    return frames(publication, cursor === undefined ? "" : `,"${cursor}"`);
  },
};

/**
 * The same for clients that were given a `pid`: these take whatever text is the last argument of an event
 * for a cursor, so text that is none must not be the last.
 */
export const recoverableSocketIoFormat: WireFormat = {
  id: "sior",
  encode: (publication) => {
    const { cursor, data } = publication;
    if (cursor !== undefined) return frames(publication, `,"${cursor}"`);
    return frames(publication, isText(data) ? ",null" : "");
  },
};

function frames(
  { app, event, data, attachments }: Publication,
  lastArgument: string,
): readonly Frame[] {
  const name = JSON.stringify(event);
  const body = `${namespacePrefix(namespaceOfApp(app))}[${name},${data}${lastArgument}]`;
  if (attachments === undefined || attachments.length === 0) {
    return [`${MESSAGE}${PacketType.EVENT}${body}`];
  }
  return [`${MESSAGE}${PacketType.BINARY_EVENT}${attachments.length}-${body}`, ...attachments];
}

/** Whether that JSON is a string. */
function isText(json: string): boolean {
  return json.trimStart().startsWith('"');
}

/** A packet from a client together with the text and the bytes it was read from. */
export interface ReceivedPacket {
  readonly packet: Packet;
  /** JSON text of the payload; binary parts stand in it as placeholders. */
  readonly text: string;
  readonly attachments: readonly Uint8Array[];
}

/** Everything after packet type, attachment count, namespace and acknowledgement id. */
function payloadText(encoded: string): string {
  return encoded.replace(/^\d(?:\d+-)?(?:\/[^,]*,)?\d*/, "");
}

/**
 * Reads a packet without binary parts.
 *
 * @throws Error when the message breaks the protocol
 */
export function readTextPacket(message: string): ReceivedPacket {
  // The decoder would take an empty packet for a CONNECT.
  if (message === "") throw new Error("a packet is empty");
  const packet = decodeWith(textDecoder, message);
  if (packet === undefined) throw new Error("a text packet is incomplete");
  return { packet, text: payloadText(message), attachments: [] };
}

/** Text packets leave nothing behind in a decoder, so all clients share one. */
const textDecoder = new Decoder();

/** Reads one packet whose binary parts come as frames of their own. */
export class PacketReader {
  readonly #decoder = new Decoder({ maxAttachments: MAX_ATTACHMENTS });
  readonly #attachments: Uint8Array[] = [];
  #bytes = 0;
  /** The message that announced the binary parts. */
  #head = "";

  /** Whether the message announces binary parts. */
  static begins(message: string): boolean {
    return message[0] === "5" || message[0] === "6";
  }

  /** What was read so far, and brings another reader to the same place. */
  get messages(): readonly (string | Uint8Array)[] {
    return [this.#head, ...this.#attachments];
  }

  /**
   * Answers the packet once this message completes it.
   *
   * @throws Error when the message breaks the protocol
   */
  read(message: string | Uint8Array): ReceivedPacket | undefined {
    if (typeof message !== "string") this.#bytes += message.length;
    if (this.#bytes > MAX_ATTACHMENT_BYTES) throw new Error("the binary parts are too large");
    const packet = decodeWith(this.#decoder, message);
    if (typeof message === "string") this.#head = message;
    else this.#attachments.push(message);
    if (packet === undefined) return undefined;
    return { packet, text: payloadText(this.#head), attachments: this.#attachments };
  }
}

function decodeWith(decoder: Decoder, message: string | Uint8Array): Packet | undefined {
  let decoded: Packet | undefined;
  decoder.once("decoded", (packet) => {
    decoded = packet;
  });
  try {
    decoder.add(message);
  } finally {
    decoder.off("decoded");
  }
  return decoded;
}
