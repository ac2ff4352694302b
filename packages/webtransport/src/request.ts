import { encodeFrame, FrameType } from "./http3/frames.ts";
import { isFieldValid, type RequestFields } from "./http3/request-fields.ts";
import { encodeFieldSection } from "./qpack/encoder.ts";
import type { Field } from "./qpack/static-table.ts";
import type { QuicAddress } from "./quic.ts";
import type { WebTransportSession } from "./session.ts";

/** What a request needs of its connection. */
export interface RequestLink {
  readonly remoteAddress: QuicAddress;
  isOpen(): boolean;
  /** Answers 200; undefined where the client has gone. */
  accept(headers: readonly Field[]): WebTransportSession | undefined;
  reject(status: number, headers: readonly Field[]): void;
}

/** A client that asks for a session (RFC 9220). It waits until it is accepted or rejected, once. */
export class WebTransportRequest {
  readonly #fields: RequestFields;
  readonly #link: RequestLink;
  #isDecided = false;

  /** @internal */
  constructor(fields: RequestFields, link: RequestLink) {
    this.#fields = fields;
    this.#link = link;
  }

  /** The host and port that the client asks for. */
  get authority(): string {
    return this.#fields.authority ?? this.header("host") ?? "";
  }

  /** The path, with its query. */
  get path(): string {
    return this.#fields.path ?? "";
  }

  /** All headers, names in lower case, as they came; values with one character per octet. */
  get headers(): readonly Field[] {
    return this.#fields.headers;
  }

  /** The value of a header; those that come more than once joined as RFC 9110, section 5.2, says. */
  header(name: string): string | undefined {
    const wanted = name.toLowerCase();
    const values = this.headers.filter(([other]) => other === wanted).map(([, value]) => value);
    if (values.length === 0) return undefined;
    return values.join(wanted === "cookie" ? "; " : ", ");
  }

  get remoteAddress(): QuicAddress {
    return this.#link.remoteAddress;
  }

  /** Whether it was accepted or rejected. */
  get isDecided(): boolean {
    return this.#isDecided;
  }

  /** Whether the client has gone without waiting for an answer. */
  get isAbandoned(): boolean {
    return !this.#isDecided && !this.#link.isOpen();
  }

  /**
   * Answers 200: the session is open. Undefined where the client has gone.
   *
   * @param headers names in lower case
   * @throws Error when it is decided already; TypeError for a header that may not be sent
   */
  accept(headers: readonly Field[] = []): WebTransportSession | undefined {
    checkHeaders(headers);
    this.#decide();
    const draft = this.header("sec-webtransport-http3-draft02");
    const own: Field[] = draft === "1" ? [["sec-webtransport-http3-draft", "draft02"]] : [];
    return this.#link.accept([...own, ...headers]);
  }

  /**
   * Answers with another status. A page cannot see which: to tell it, accept and then close.
   *
   * @param status 300 to 599
   * @throws Error when it is decided already; RangeError, TypeError for what may not be sent
   */
  reject(status: number, headers: readonly Field[] = []): void {
    if (!Number.isInteger(status) || status < 300 || status > 599) {
      throw new RangeError(`${status} rejects nothing`);
    }
    checkHeaders(headers);
    this.#decide();
    this.#link.reject(status, headers);
  }

  #decide(): void {
    if (this.#isDecided) throw new Error("the request is answered already");
    this.#isDecided = true;
  }
}

/** A HEADERS frame that answers a request. */
export function encodeResponse(status: number, headers: readonly Field[]): Uint8Array<ArrayBuffer> {
  const section = encodeFieldSection([[":status", String(status)], ...headers]);
  return encodeFrame(FrameType.HEADERS, section);
}

function checkHeaders(headers: readonly Field[]): void {
  for (const header of headers) {
    if (!isFieldValid(header)) throw new TypeError(`the header ${JSON.stringify(header)}`);
  }
}
