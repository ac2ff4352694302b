import { Reader } from "./reader.ts";
import { WireError } from "./wire-error.ts";
import { Writer } from "./writer.ts";

/** Whoever reads a message has to know who wrote it. */
export interface Letter<Message> {
  readonly start: string;
  readonly message: Message;
}

/** How nodes put one kind of messages into bytes. */
export interface Wording<Message extends { readonly type: string }> {
  /** With which every message begins; another version would be another number. */
  readonly version: number;
  /** The places of these are what stands for them. */
  readonly types: readonly Message["type"][];
  /** Writes what the message has beside its type. */
  write(writer: Writer, message: Message): void;
  /** @throws WireError when the type is unknown, as undefined is, or its parts are not there */
  read(reader: Reader, type: Message["type"] | undefined): Message;
}

/** Writes and reads what nodes say to one another, as MessagePack values one after the other. */
export class LetterCodec<Message extends { readonly type: string }> {
  readonly #writer = new Writer();
  readonly #reader = new Reader();
  readonly #wording: Wording<Message>;

  constructor(wording: Wording<Message>) {
    this.#wording = wording;
  }

  /** The bytes are the caller's. */
  encode(start: string, message: Message): Uint8Array {
    const { version, types, write } = this.#wording;
    const writer = this.#writer;
    writer.cut();
    writer.uint(version);
    writer.string(start);
    writer.uint(types.indexOf(message.type));
    write(writer, message);
    return writer.cut().slice();
  }

  /** @throws WireError when the bytes are no message of this version */
  decode(bytes: Uint8Array): Letter<Message> {
    const { version, types, read } = this.#wording;
    const reader = this.#reader.reset(bytes, 0, bytes.length);
    if (reader.uint() !== version) throw new WireError("a message is of another version");
    const start = reader.string();
    const message = read(reader, types[reader.uint()]);
    if (!reader.isAtEnd) throw new WireError("a message is too long");
    return { start, message };
  }
}
