import { VarintParser } from "../varint.ts";
import { StreamType } from "./frames.ts";

/** The beginning of a unidirectional stream: its type and, for one of a session, the session's id. */
export class StreamStart {
  readonly #varint = new VarintParser();
  #type: number | undefined;
  #session = 0;

  get type(): number | undefined {
    return this.#type;
  }

  /** The id of the session that it belongs to, where that is its type. */
  get session(): number {
    return this.#session;
  }

  /** Takes bytes; what follows the beginning once it is complete, and else undefined. */
  push(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> | undefined {
    for (let at = 0; at < bytes.length; ) {
      if (!this.#varint.push(bytes[at++] ?? 0)) continue;
      if (this.#type === undefined) {
        this.#type = this.#varint.value;
        if (this.#type === StreamType.WEBTRANSPORT) continue;
      } else {
        this.#session = this.#varint.value;
      }
      return bytes.subarray(at);
    }
    return undefined;
  }
}
