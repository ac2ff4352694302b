import type { Frame } from "../../hub/subscriber.ts";
import type { TimerHandle } from "../../ports.ts";
import { type HttpAnswer, textAnswer } from "./http.ts";
import { LastIds } from "./last-ids.ts";
import { PAYLOAD_SEPARATOR, toPayloadPacket } from "./packets.ts";

/** Takes the answer of a poll that waited. */
export type Respond = (answer: HttpAnswer) => void;

/** The long-polling side of a session: what waits to be fetched, and who waits for it. */
export class PollingState {
  /** Whether a POST of this session is still being read. */
  posting = false;
  /** Sends a noop to a poll that waits while the client upgrades. */
  noopTimer: TimerHandle | undefined;
  /** Publications that the client has had; another worker that takes over may get them later. */
  readonly lastIds = new LastIds();
  readonly #maxBytes: number;
  #frames: Frame[] = [];
  #bytes = 0;
  #waiting: Respond | undefined;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get isWaiting(): boolean {
    return this.#waiting !== undefined;
  }

  /** Answers false, keeping nothing, when more would wait than may. */
  push(frame: Frame): boolean {
    if (this.#bytes > this.#maxBytes) return false;
    this.#frames.push(frame);
    this.#bytes += byteLength(frame);
    this.#flush();
    return true;
  }

  /** Lets a poll wait, or answers it at once when something is there. */
  wait(respond: Respond): void {
    this.#waiting = respond;
    this.#flush();
  }

  /** Forgets a poll whose client went away; answers whether it was still waiting. */
  abandon(respond: Respond): boolean {
    if (this.#waiting !== respond) return false;
    this.#waiting = undefined;
    return true;
  }

  /** Answers the waiting poll with one packet that goes before whatever waits. */
  answerWith(answer: HttpAnswer): void {
    const respond = this.#waiting;
    this.#waiting = undefined;
    respond?.(answer);
  }

  /** Takes everything that waits, to send it another way. */
  drain(): readonly Frame[] {
    const frames = this.#frames;
    this.#frames = [];
    this.#bytes = 0;
    return frames;
  }

  #flush(): void {
    if (this.#waiting === undefined || this.#frames.length === 0) return;
    const respond = this.#waiting;
    this.#waiting = undefined;
    const body = this.#frames.map(toPayloadPacket).join(PAYLOAD_SEPARATOR);
    this.#frames = [];
    this.#bytes = 0;
    respond(textAnswer(body));
  }
}

/** Bytes that a frame takes in UTF-8; text of many scripts has three for each unit of a string. */
export function byteLength(frame: Frame): number {
  if (typeof frame !== "string") return frame.length;
  let bytes = frame.length;
  for (let index = 0; index < frame.length; index++) {
    const unit = frame.charCodeAt(index);
    if (unit >= 0x80) bytes += unit < 0x800 || (unit >= 0xd800 && unit <= 0xdfff) ? 1 : 2;
  }
  return bytes;
}
