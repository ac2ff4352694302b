import { connect, type Socket } from "node:net";

/** A back end's own connection to NATS, which speaks the protocol by itself and is lost for good with its server. */
export class NatsConnection implements Disposable {
  readonly #socket: Socket;
  readonly #inbox = `_INBOX.${crypto.randomUUID()}`;
  readonly #ready = Promise.withResolvers<void>();
  #pongs: PromiseWithResolvers<void>[] = [];
  readonly #replies = new Map<string, PromiseWithResolvers<string>>();
  #received = Buffer.alloc(0);
  #requests = 0;
  #isGreeted = false;
  #isClosed = false;

  private constructor(url: string) {
    const { hostname, port } = new URL(url);
    this.#socket = connect(Number(port), hostname);
    this.#socket.on("data", (bytes: Buffer) => this.#read(bytes));
    this.#socket.on("error", () => {});
    this.#socket.on("close", () => this.#lost());
  }

  /** Rejects where no server is there. */
  static async open(url: string): Promise<NatsConnection> {
    const connection = new NatsConnection(url);
    await connection.#ready.promise;
    return connection;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Resolves once the server has it. */
  publish(subject: string, headers: Readonly<Record<string, string>>, body: string): Promise<void> {
    this.#send(subject, "", headers, body);
    return this.#ping();
  }

  /** The body of the answer, which is empty where nobody listens. */
  request(
    subject: string,
    headers: Readonly<Record<string, string>>,
    body: string,
  ): Promise<string> {
    if (this.#isClosed) return Promise.reject(lost());
    const reply = `${this.#inbox}.${++this.#requests}`;
    const answer = Promise.withResolvers<string>();
    this.#replies.set(reply, answer);
    this.#send(subject, `${reply} `, headers, body);
    return answer.promise;
  }

  [Symbol.dispose](): void {
    this.#socket.destroy();
    this.#lost();
  }

  #send(
    subject: string,
    reply: string,
    headers: Readonly<Record<string, string>>,
    body: string,
  ): void {
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    const head = `NATS/1.0\r\n${lines.join("")}\r\n`;
    const size = Buffer.byteLength(head) + Buffer.byteLength(body);
    const sizes = `${Buffer.byteLength(head)} ${size}`;
    this.#socket.write(`HPUB ${subject} ${reply}${sizes}\r\n${head}${body}\r\n`);
  }

  #ping(): Promise<void> {
    if (this.#isClosed) return Promise.reject(lost());
    const pong = Promise.withResolvers<void>();
    this.#pongs.push(pong);
    this.#socket.write("PING\r\n");
    return pong.promise;
  }

  #read(bytes: Buffer): void {
    this.#received = Buffer.concat([this.#received, bytes]);
    for (;;) {
      const end = this.#received.indexOf("\r\n");
      if (end < 0) return;
      const line = this.#received.toString("latin1", 0, end);
      const message = messageOf(line);
      const next = end + 2 + (message === undefined ? 0 : message.size + 2);
      if (this.#received.length < next) return;
      if (message === undefined) this.#command(line);
      else {
        const body = this.#received.toString("utf8", end + 2 + message.headerSize, next - 2);
        this.#answered(message.subject, body);
      }
      this.#received = this.#received.subarray(next);
    }
  }

  #command(line: string): void {
    if (line.startsWith("INFO ")) this.#greet();
    else if (line === "PING") this.#socket.write("PONG\r\n");
    else if (line === "PONG") this.#pongs.shift()?.resolve();
    else if (line.startsWith("-ERR")) this.#ready.reject(new Error(line));
  }

  /** A server says more of itself whenever its cluster changes. */
  #greet(): void {
    if (this.#isGreeted) return;
    this.#isGreeted = true;
    const options = { verbose: false, headers: true, no_responders: true, lang: "test" };
    this.#socket.write(`CONNECT ${JSON.stringify(options)}\r\nSUB ${this.#inbox}.* 1\r\n`);
    this.#ping().then(this.#ready.resolve, this.#ready.reject);
  }

  #answered(subject: string, body: string): void {
    this.#replies.get(subject)?.resolve(body);
    this.#replies.delete(subject);
  }

  #lost(): void {
    this.#isClosed = true;
    const waiting = [this.#ready, ...this.#pongs.splice(0), ...this.#replies.values()];
    this.#replies.clear();
    for (const each of waiting) {
      // Nobody may be waiting any more.
      each.promise.catch(() => {});
      each.reject(lost());
    }
  }
}

/** What stands at the head of a message; undefined where that is another command. */
function messageOf(
  line: string,
): { readonly subject: string; readonly headerSize: number; readonly size: number } | undefined {
  // The subject of an answer may be left out, or empty.
  const [command, subject = "", ...rest] = line.split(/ +/);
  const size = Number(rest.at(-1));
  if (command === "MSG") return { subject, headerSize: 0, size };
  return command === "HMSG" ? { subject, headerSize: Number(rest.at(-2)), size } : undefined;
}

function lost(): Error {
  return new Error("the connection to NATS is lost");
}
