import { sha256 } from "@noble/hashes/sha2.js";
import { ByChannel } from "../../hub/by-channel.ts";

/** What the WHATWG Encoding Standard gives every runtime. */
declare const TextEncoder: new () => { encode(text: string): Uint8Array };

const encoder = new TextEncoder();
const PLAIN = /^[A-Za-z0-9_-]+$/;
/** Bytes that stand for themselves: letters, digits, `_` and `-`. */
const isPlain = (byte: number): boolean =>
  (byte >= 0x30 && byte <= 0x39) ||
  (byte >= 0x41 && byte <= 0x5a) ||
  (byte >= 0x61 && byte <= 0x7a) ||
  byte === 0x5f ||
  byte === 0x2d;
/** A token that would be longer is made of a hash: a server takes 4,096 bytes for a whole command. */
const MAX_TOKEN = 512;

/**
 * A name as one token of a subject: every byte of its UTF-8 but `A-Za-z0-9_-` is `=` and two hex digits, the
 * empty name is `=`. One that would have more than 512 characters is `=h` and the SHA-256 of the name in
 * base64url instead.
 */
export function subjectToken(name: string): string {
  if (name.length <= MAX_TOKEN && PLAIN.test(name)) return name;
  if (name === "") return "=";
  const bytes = encoder.encode(name);
  let token = "";
  for (const byte of bytes) {
    token += isPlain(byte)
      ? String.fromCharCode(byte)
      : `=${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  if (token.length <= MAX_TOKEN) return token;
  return `=h${sha256(bytes).toBase64({ alphabet: "base64url", omitPadding: true })}`;
}

/** Subjects of channels that are remembered, since making one costs more than all else that a message needs. */
const REMEMBERED = 8_192;

/** Subjects of channels, of which the newest are remembered. */
class Remembered<T> {
  readonly #channels = new ByChannel<T>();
  #count = 0;

  get(app: string, channel: string): T | undefined {
    return this.#channels.get(app, channel);
  }

  add(app: string, channel: string, subject: T): void {
    if (++this.#count > REMEMBERED) {
      this.#channels.clear();
      this.#count = 1;
    }
    this.#channels.set(app, channel, subject);
  }
}

/** The subjects of one mesh; systems that share a NATS server have other prefixes. */
export class Subjects {
  readonly #prefix: string;
  readonly #channels = new Remembered<string>();
  readonly #kept = new Remembered<{ readonly namespace: string; readonly subject: string }>();

  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  /** Where a channel without history is published. */
  channel(app: string, channel: string): string {
    const known = this.#channels.get(app, channel);
    if (known !== undefined) return known;
    const subject = `${this.#prefix}.pub.${subjectToken(app)}.${subjectToken(channel)}`;
    this.#channels.add(app, channel, subject);
    return subject;
  }

  /** Where a channel with history is published, for the stream to keep. */
  kept(app: string, namespace: string, channel: string): string {
    const known = this.#kept.get(app, channel);
    if (known?.namespace === namespace) return known.subject;
    const subject = `${this.keptOf(app, namespace)}.${subjectToken(channel)}`;
    this.#kept.add(app, channel, { namespace, subject });
    return subject;
  }

  /** Where the stream says what it has kept. */
  live(app: string, namespace: string, channel: string): string {
    return `${this.liveOf(app, namespace)}.${subjectToken(channel)}`;
  }

  keptOf(app: string, namespace: string): string {
    return `${this.#prefix}.kept.${subjectToken(app)}.${subjectToken(namespace)}`;
  }

  liveOf(app: string, namespace: string): string {
    return `${this.#prefix}.live.${subjectToken(app)}.${subjectToken(namespace)}`;
  }

  /** Where workers show that what is published arrives. */
  get pulse(): string {
    return `${this.#prefix}.who.pulse`;
  }

  /** Where all nodes hear who is there. */
  get everyNode(): string {
    return `${this.#prefix}.who.all`;
  }

  /** Where one start of a node is told what is for no other. */
  oneNode(start: string): string {
    return `${this.#prefix}.who.to.${subjectToken(start)}`;
  }

  /** Where one start of a node answers at once. */
  nodePing(start: string): string {
    return `${this.#prefix}.who.ping.${subjectToken(start)}`;
  }

  /** Where all nodes are told what is not about members. */
  get everyNodeAsked(): string {
    return `${this.#prefix}.who.asked.all`;
  }

  /** Where one start of a node is asked, and answered. */
  oneNodeAsked(start: string): string {
    return `${this.#prefix}.who.asked.to.${subjectToken(start)}`;
  }

  /** Where the start of a node that has asked gets the answer. */
  nodePong(start: string, ping: number): string {
    return `${this.#prefix}.who.pong.${subjectToken(start)}.${ping}`;
  }

  /** Where all nodes hear of hooks. */
  get hooksOfAll(): string {
    return `${this.#prefix}.who.hooks`;
  }

  /** Where one start of a node is told of hooks what is for no other. */
  hooksOf(start: string): string {
    return `${this.#prefix}.who.hooks.${subjectToken(start)}`;
  }

  /** Where a channel's members are told of. */
  members(app: string, channel: string): string {
    return `${this.#prefix}.who.of.${subjectToken(app)}.${subjectToken(channel)}`;
  }

  /** The name of a stream, in which "." is not allowed; the separators are no part of any token. */
  stream(app: string, namespace: string): string {
    const tokens = [this.#prefix, subjectToken(app), subjectToken(namespace)];
    return tokens.join("+").replaceAll(".", "+");
  }
}
