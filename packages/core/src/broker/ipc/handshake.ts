import { LENGTH_BYTES, putFrameLength } from "./frames.ts";
import type { Reader } from "./reader.ts";
import { WireError } from "./wire-error.ts";
import { Writer } from "./writer.ts";

const MAGIC = "starling-ipc";
/** Of the messages; both ends are started from the same installation. */
const VERSION = 4;

/** What whoever opened a stream says first. */
export type Hello =
  | { readonly role: "control" }
  | {
      readonly role: "worker";
      readonly worker: number;
      /** The link that goes on, as the node has named it; 0 where there is none. */
      readonly link: number;
      /** The last frame that came over it. */
      readonly received: number;
    };

/** What the node answers. */
export interface Welcome {
  /** The link has everything it ever had; else the worker is a new one. */
  readonly isResumed: boolean;
  readonly link: number;
  /** The last frame that came from the worker. */
  readonly received: number;
  /** Frames up to this number are not to come any more; those that had not come are lost. */
  readonly base: number;
}

export function helloFrame(hello: Hello): Uint8Array {
  const writer = new Writer();
  writer.at = LENGTH_BYTES;
  writer.string(MAGIC);
  writer.uint(VERSION);
  writer.bool(hello.role === "worker");
  if (hello.role === "worker") {
    writer.uint(hello.worker);
    writer.uint(hello.link);
    writer.uint(hello.received);
  }
  return finished(writer);
}

/** @throws WireError when it is none, or of another version */
export function readHello(reader: Reader): Hello {
  readGreeting(reader);
  if (!reader.bool()) return { role: "control" };
  return {
    role: "worker",
    worker: reader.uint(),
    link: reader.uint(),
    received: reader.uint(),
  };
}

export function welcomeFrame(welcome: Welcome): Uint8Array {
  const writer = new Writer();
  writer.at = LENGTH_BYTES;
  writer.string(MAGIC);
  writer.uint(VERSION);
  writer.bool(welcome.isResumed);
  writer.uint(welcome.link);
  writer.uint(welcome.received);
  writer.uint(welcome.base);
  return finished(writer);
}

/** @throws WireError when it is none, or of another version */
export function readWelcome(reader: Reader): Welcome {
  readGreeting(reader);
  return {
    isResumed: reader.bool(),
    link: reader.uint(),
    received: reader.uint(),
    base: reader.uint(),
  };
}

function readGreeting(reader: Reader): void {
  if (reader.string() !== MAGIC) throw new WireError("the peer is no part of Starling");
  const version = reader.uint();
  if (version !== VERSION) {
    throw new WireError(`the peer speaks version ${version} of the link, not ${VERSION}`);
  }
}

function finished(writer: Writer): Uint8Array {
  const frame = writer.cut();
  putFrameLength(frame, frame.length - LENGTH_BYTES);
  return frame;
}
