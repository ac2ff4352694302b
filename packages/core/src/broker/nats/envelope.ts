import type { Publication } from "../../hub/publication.ts";
import { readPublications, writePublication } from "../ipc/publication-codec.ts";
import { Reader } from "../ipc/reader.ts";
import { readName } from "../ipc/text.ts";
import { WireError } from "../ipc/wire-error.ts";
import { Writer } from "../ipc/writer.ts";

/**
 * With which everything begins that Starling sends: no text does in UTF-8, so that JSON of a back end is told
 * apart without any header, whose parsing would cost more than all the rest.
 */
const MARK = 0xc1;
const VERSION = 1;
/** Bytes of the numbers that `restamp` writes anew, relative to their place. */
const LINK_AT = 0;
const FIRST_AT = 8;
const SEQUENCE_AT = 16;
const NUMBERS = 24;

/** Which message of which link of which worker a message is. */
export interface Stamp {
  /** Names the worker, among all of the mesh and of all times. */
  readonly origin: string;
  /** How often the worker has connected to NATS: everything of one link arrives in its order. */
  readonly link: number;
  /** The first message that was sent over this link; all before it have been handed over. */
  readonly first: number;
  /** Counts the messages of the worker. */
  readonly sequence: number;
}

/** Writes what a worker publishes, and reads what others have. */
export class Envelopes {
  readonly #head: Uint8Array;
  readonly #writer = new Writer();
  readonly #reader = new Reader();

  /** @param origin ASCII of at most 255 characters */
  constructor(origin: string) {
    const head = new Uint8Array(3 + origin.length + NUMBERS);
    head.set([MARK, VERSION, origin.length]);
    for (let index = 0; index < origin.length; index++) head[3 + index] = origin.charCodeAt(index);
    this.#head = head;
  }

  /** What a publication says in every channel. */
  content(publication: Publication): Uint8Array {
    this.#writer.at = this.#writer.base;
    writePublication(this.#writer, publication);
    return this.#writer.cut();
  }

  /**
   * One message, which is the caller's.
   *
   * @param id of a delivery that may be made again: ASCII of at most 255 characters
   */
  seal(content: Uint8Array, sequence: number, id = ""): Uint8Array {
    const head = this.#head;
    const start = head.length + 1 + id.length;
    const message = new Uint8Array(start + content.length);
    message.set(head);
    message[head.length] = id.length;
    for (let index = 0; index < id.length; index++) {
      message[head.length + 1 + index] = id.charCodeAt(index);
    }
    message.set(content, start);
    putUint(message, head.length - NUMBERS + SEQUENCE_AT, sequence);
    return message;
  }

  /** Says over which link a message goes, before each time that it is sent. */
  stamp(message: Uint8Array, link: number, first: number): void {
    const at = this.#head.length - NUMBERS;
    putUint(message, at + LINK_AT, link);
    putUint(message, at + FIRST_AT, first);
  }

  /** The message of a publication that is sent once: the same as `seal` of its `content`, and cheaper. */
  only(publication: Publication, sequence: number, id = ""): Uint8Array {
    const writer = this.#writer;
    writer.at = writer.base;
    writer.raw(this.#head);
    writer.ensure(1 + id.length);
    writer.bytes[writer.at++] = id.length;
    for (let index = 0; index < id.length; index++)
      writer.bytes[writer.at++] = id.charCodeAt(index);
    writePublication(writer, publication);
    const message = writer.bytes.slice(writer.base, writer.at);
    putUint(message, this.#head.length - NUMBERS + SEQUENCE_AT, sequence);
    return message;
  }

  static isSealed(message: Uint8Array): boolean {
    return message[0] === MARK;
  }

  /** @throws WireError when it is no message of this version */
  static stampOf(message: Uint8Array): Stamp {
    const length = message[2] ?? 0;
    const at = 3 + length;
    if (message[1] !== VERSION || message.length < contentAt(message)) {
      throw new WireError("a message of the mesh is of another version, or cut off");
    }
    return {
      origin: readName(message, 3, at),
      link: uintAt(message, at + LINK_AT),
      first: uintAt(message, at + FIRST_AT),
      sequence: uintAt(message, at + SEQUENCE_AT),
    };
  }

  /** The id of a delivery that may be made again; empty where it has none. */
  static idOf(message: Uint8Array): string {
    const start = contentAt(message);
    return textOf(message, start - (message[idAt(message)] ?? 0), start);
  }

  /** @throws WireError when it is cut off */
  open(message: Uint8Array, app: string, channel: string): Publication {
    this.#reader.reset(message, contentAt(message), message.length);
    const [publication] = readPublications(this.#reader, app, [channel]);
    if (publication === undefined) throw new WireError("a message holds no publication");
    return publication;
  }
}

/** Where the length of the id stands. */
function idAt(message: Uint8Array): number {
  return 3 + (message[2] ?? 0) + NUMBERS;
}

function contentAt(message: Uint8Array): number {
  const at = idAt(message);
  return at + 1 + (message[at] ?? 0);
}

function textOf(message: Uint8Array, start: number, end: number): string {
  let text = "";
  for (let index = start; index < end; index++) text += String.fromCharCode(message[index] ?? 0);
  return text;
}

function putUint(bytes: Uint8Array, at: number, value: number): void {
  putUint32(bytes, at, Math.floor(value / 0x1_0000_0000));
  putUint32(bytes, at + 4, value % 0x1_0000_0000);
}

function putUint32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}

function uintAt(bytes: Uint8Array, at: number): number {
  return uint32At(bytes, at) * 0x1_0000_0000 + uint32At(bytes, at + 4);
}

function uint32At(bytes: Uint8Array, at: number): number {
  const [a = 0, b = 0, c = 0, d = 0] = [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
  return ((a << 24) | (b << 16) | (c << 8) | d) >>> 0;
}
