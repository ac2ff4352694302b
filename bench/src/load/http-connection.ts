import type { Socket } from "bun";
import { type HttpAnswer, HttpReader } from "./http-reader.ts";

type Pending = ReturnType<typeof Promise.withResolvers<HttpAnswer>>;

/**
 * One keep-alive connection over TLS, one request at a time. `fetch` would choose a connection by
 * itself, and with it the worker that the request lands on.
 */
export class HttpConnection {
  readonly #host: string;
  readonly #reader = new HttpReader((answer) => this.#settle((pending) => pending.resolve(answer)));
  #socket: Socket<undefined> | undefined;
  #pending: Pending | undefined;

  private constructor(host: string) {
    this.#host = host;
  }

  static async open(url: URL): Promise<HttpConnection> {
    const connection = new HttpConnection(url.host);
    const opened = Promise.withResolvers<void>();
    const fail = (error: Error): void => {
      opened.reject(error);
      connection.#fail(error);
    };
    const connecting = Bun.connect({
      hostname: url.hostname,
      port: Number(url.port),
      // The servers' certificates are self-made for this run.
      tls: { rejectUnauthorized: false },
      socket: {
        // Without a `handshake` handler it is called after the TLS handshake.
        open: (socket) => {
          connection.#socket = socket;
          opened.resolve();
        },
        data: (_socket, chunk) => connection.#data(chunk),
        close: () => fail(new Error("the server closed the connection")),
        error: (_socket, error) => fail(error),
      },
    });
    await Promise.all([connecting, opened.promise]);
    return connection;
  }

  /** Rejected when the connection is closed before the answer. */
  request(method: "GET" | "POST", path: string, body = ""): Promise<HttpAnswer> {
    const pending: Pending = Promise.withResolvers();
    this.#pending = pending;
    const length = method === "GET" ? "" : `Content-Length: ${Buffer.byteLength(body)}\r\n`;
    const text = `${method} ${path} HTTP/1.1\r\nHost: ${this.#host}\r\n${length}\r\n${body}`;
    const bytes = Buffer.from(text);
    // A request of some hundred bytes that the empty buffer does not take has no connection.
    if (this.#socket?.write(bytes) !== bytes.length) {
      this.#fail(new Error("the socket did not take a request"));
    }
    return pending.promise;
  }

  close(): void {
    this.#socket?.end();
  }

  #data(chunk: Buffer): void {
    try {
      this.#reader.push(chunk);
    } catch (error) {
      this.#fail(error);
      this.#socket?.terminate();
    }
  }

  #fail(error: unknown): void {
    this.#settle((pending) => pending.reject(error));
  }

  #settle(how: (pending: Pending) => void): void {
    const pending = this.#pending;
    this.#pending = undefined;
    if (pending !== undefined) how(pending);
  }
}
