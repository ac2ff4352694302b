import { connect, type Socket } from "node:net";
import { within } from "./deadline.ts";

/** A TCP connection on which a test writes HTTP/1.1 byte by byte. */
export class RawHttp implements Disposable {
  readonly #socket: Socket;
  readonly #head = Promise.withResolvers<number | undefined>();
  #received = "";

  constructor(origin: string) {
    const { hostname, port } = new URL(origin);
    this.#socket = connect(Number(port), hostname);
    this.#socket.setNoDelay(true);
    this.#socket.setEncoding("latin1");
    this.#socket.on("data", (chunk) => this.#read(String(chunk)));
    this.#socket.on("error", () => this.#head.resolve(undefined));
    this.#socket.on("close", () => this.#head.resolve(undefined));
  }

  /** Resolves once the bytes are handed to the system. */
  write(data: string | Uint8Array): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#socket.write(data, () => resolve());
    return within(promise, "TCP write");
  }

  /** The status of the first response; `undefined` when the connection ended without one. */
  status(): Promise<number | undefined> {
    return within(this.#head.promise, "HTTP response");
  }

  [Symbol.dispose](): void {
    this.#socket.destroy();
  }

  #read(chunk: string): void {
    this.#received += chunk;
    const status = /^HTTP\/1\.1 (\d{3})[^\r]*\r\n(?:[^\r]+\r\n)*\r\n/.exec(this.#received)?.[1];
    if (status !== undefined) this.#head.resolve(Number(status));
  }
}

/** The request line and header fields of an HTTP/1.1 request, with the empty line after them. */
export function requestHead(method: string, url: string, fields: readonly string[] = []): string {
  const { host, pathname, search } = new URL(url);
  return [`${method} ${pathname}${search} HTTP/1.1`, `Host: ${host}`, ...fields, "", ""].join(
    "\r\n",
  );
}
