const END_OF_HEAD = "\r\n\r\n";

export interface HttpAnswer {
  readonly status: number;
  readonly body: string;
}

/**
 * Cuts a server's byte stream into HTTP/1.1 answers that state their length (RFC 9112, section 6.2).
 * It throws on what a load client cannot cut: an answer without a length.
 */
export class HttpReader {
  readonly #take: (answer: HttpAnswer) => void;
  #rest = Buffer.alloc(0);

  constructor(take: (answer: HttpAnswer) => void) {
    this.#take = take;
  }

  push(chunk: Buffer): void {
    this.#rest = Buffer.concat([this.#rest, chunk]);
    for (;;) {
      const headEnd = this.#rest.indexOf(END_OF_HEAD);
      if (headEnd < 0) return;
      const head = this.#rest.toString("latin1", 0, headEnd);
      const start = headEnd + END_OF_HEAD.length;
      const end = start + contentLength(head);
      if (this.#rest.length < end) return;
      const body = this.#rest.toString("utf8", start, end);
      this.#rest = this.#rest.subarray(end);
      this.#take({ status: statusOf(head), body });
    }
  }
}

function statusOf(head: string): number {
  const status = /^HTTP\/1\.1 (\d{3}) /.exec(head)?.[1];
  if (status === undefined) throw new Error(`no answer of HTTP/1.1: ${head}`);
  return Number(status);
}

function contentLength(head: string): number {
  const length = /^content-length: *(\d+) *$/im.exec(head)?.[1];
  if (length === undefined) throw new Error(`an answer without a length: ${head}`);
  return Number(length);
}
