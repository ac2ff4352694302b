import { type RecordHandler, RecordParser, type Treatment } from "../records.ts";
import { decodeVarint, varintLength } from "../varint.ts";
import { Http3Error } from "./errors.ts";
import { FrameType, isKnownFrame, unexpectedFrame } from "./frames.ts";
import { decodeSettings, type PeerSettings } from "./settings.ts";

/** Bytes that the settings of a peer may take: about a hundred of them. */
const MAX_SETTINGS_BYTES = 1024;

/** The client's control stream: RFC 9114, sections 6.2.1 and 7.2. */
export class ControlStream implements RecordHandler {
  readonly #onSettings: (settings: PeerSettings) => void;
  readonly #parser = new RecordParser(this);
  #hasSettings = false;
  #maxPushId = -1n;
  #goawayId: bigint | undefined;

  constructor(onSettings: (settings: PeerSettings) => void) {
    this.#onSettings = onSettings;
  }

  /** @throws Http3Error */
  push(bytes: Uint8Array<ArrayBuffer>): void {
    this.#parser.push(bytes);
  }

  begin(type: number, length: number): Treatment {
    if (!this.#hasSettings && type !== FrameType.SETTINGS) {
      throw new Http3Error("H3_MISSING_SETTINGS", `frame 0x${type.toString(16)} comes first`);
    }
    switch (type) {
      case FrameType.SETTINGS:
        if (this.#hasSettings) throw unexpectedFrame(type, "comes twice");
        if (length > MAX_SETTINGS_BYTES) {
          throw new Http3Error("H3_EXCESSIVE_LOAD", `${length} bytes of settings`);
        }
        this.#hasSettings = true;
        return "whole";
      case FrameType.GOAWAY:
      case FrameType.MAX_PUSH_ID:
      case FrameType.CANCEL_PUSH:
        if (length > 8) throw new Http3Error("H3_FRAME_ERROR", `an id of ${length} bytes`);
        return "whole";
      default:
        if (isKnownFrame(type)) throw unexpectedFrame(type, "on the control stream");
        return "skip";
    }
  }

  whole(type: number, value: Uint8Array): boolean {
    if (type === FrameType.SETTINGS) this.#onSettings(decodeSettings(value));
    else this.#id(type, onlyVarint(value));
    return true;
  }

  piece(): boolean {
    return true;
  }

  #id(type: number, id: bigint): void {
    if (type === FrameType.CANCEL_PUSH) {
      throw new Http3Error("H3_ID_ERROR", "cancels a push, of which there are none");
    }
    if (type === FrameType.MAX_PUSH_ID) {
      if (id < this.#maxPushId) throw new Http3Error("H3_ID_ERROR", "MAX_PUSH_ID goes down");
      this.#maxPushId = id;
    } else {
      if (this.#goawayId !== undefined && id > this.#goawayId) {
        throw new Http3Error("H3_ID_ERROR", "the id of GOAWAY goes up");
      }
      this.#goawayId = id;
    }
  }
}

function onlyVarint(bytes: Uint8Array): bigint {
  const value = decodeVarint(bytes, 0);
  if (value === undefined || bytes.length !== varintLength(bytes[0] ?? 0)) {
    throw new Http3Error("H3_FRAME_ERROR", "the length of a frame is not that of its id");
  }
  return value;
}
