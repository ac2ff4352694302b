import type { ConnectionObserver } from "./connection.ts";
import type { HttpConnection } from "./http-connection.ts";
import type { HttpAnswer } from "./http-reader.ts";

const PATH = "/socket.io/?EIO=4&transport=polling";
const SEPARATOR = "\x1e";

/** A Socket.IO session over long-polling, whose requests all take one connection. */
export class PollingSession {
  readonly id: string;
  #connection: HttpConnection | undefined;

  private constructor(id: string) {
    this.id = id;
  }

  /** Opens a session over a connection that need not be the one that its polls take. */
  static async open(connection: HttpConnection, user: string): Promise<PollingSession> {
    const body = accepted(await connection.request("GET", `${PATH}&uniqueUserId=${user}`));
    return new PollingSession(sessionId(body));
  }

  /** Joins, then polls over this connection until it is closed. */
  async join(connection: HttpConnection, observer: ConnectionObserver): Promise<void> {
    this.#connection = connection;
    await this.#post('40{"token":"bench"}');
    const answer = await this.#poll();
    if (!answer.startsWith("40{")) throw new Error(`connection refused: ${answer}`);
    this.#listen(observer).catch(() => observer.closed());
  }

  async #listen(observer: ConnectionObserver): Promise<never> {
    for (;;) {
      const packets = (await this.#poll()).split(SEPARATOR);
      for (const packet of packets.filter((one) => one.startsWith("42"))) {
        const bytes = Buffer.from(packet);
        observer.received(1, bytes, 0, bytes.length);
      }
      if (packets.includes("2")) await this.#post("3");
    }
  }

  async #poll(): Promise<string> {
    return accepted(await this.#request("GET"));
  }

  async #post(body: string): Promise<void> {
    accepted(await this.#request("POST", body));
  }

  #request(method: "GET" | "POST", body?: string): Promise<HttpAnswer> {
    if (this.#connection === undefined) throw new Error("a session without a connection");
    return this.#connection.request(method, `${PATH}&sid=${this.id}`, body);
  }
}

/** The id in the packet `0{"sid":"...",...}`. */
export function sessionId(body: string): string {
  const id = /^0\{.*?"sid":"([^"]+)"/.exec(body)?.[1];
  if (id === undefined) throw new Error(`no session was opened: ${body}`);
  return id;
}

function accepted({ status, body }: HttpAnswer): string {
  if (status !== 200) throw new Error(`long-polling was answered ${status}: ${body}`);
  return body;
}
