import { connect, createServer, type Server, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { within } from "../deadline.ts";

/** What a line is like. */
export interface LinkQuality {
  /** Milliseconds that every byte takes, in each direction. */
  readonly latencyMs: number;
  /** Bytes that pass in a millisecond, in each direction. */
  readonly bytesPerMs: number;
}

/** Bytes under way in one direction, behind which the sender has to wait. */
const MAX_BYTES = 256 * 1024;

/** A line to a server that is slow, and that stalls when a test says so; nothing on it is ever lost. */
export class SlowLink implements Disposable {
  readonly #server: Server;
  readonly #pipes = new Set<Pipe>();
  readonly #quality: LinkQuality;
  #isStalled = false;

  private constructor(server: Server, quality: LinkQuality) {
    this.#server = server;
    this.#quality = quality;
  }

  /** `port` is that of the server, on this machine. */
  static async open(port: number, quality: LinkQuality): Promise<SlowLink> {
    const server = createServer();
    const link = new SlowLink(server, quality);
    server.on("connection", (client) => link.#join(client, connect(port, "127.0.0.1")));
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
    await within(promise, "a slow link");
    return link;
  }

  get port(): number {
    const address = this.#server.address();
    if (address === null || typeof address === "string") throw new Error("the link is closed");
    return address.port;
  }

  /** Nothing passes for that long; connections stay, new ones as well. */
  async stallFor(ms: number): Promise<void> {
    this.#isStalled = true;
    for (const pipe of this.#pipes) pipe.stall();
    await sleep(ms);
    this.#isStalled = false;
    for (const pipe of this.#pipes) pipe.resume();
  }

  [Symbol.dispose](): void {
    this.#server.close();
    for (const pipe of this.#pipes) pipe.destroy();
  }

  #join(client: Socket, server: Socket): void {
    for (const [from, to] of [
      [client, server],
      [server, client],
    ] as const) {
      const pipe = new Pipe(from, to, this.#quality);
      this.#pipes.add(pipe);
      if (this.#isStalled) pipe.stall();
      from.on("error", () => {});
      from.on("close", () => {
        this.#pipes.delete(pipe);
        to.destroy();
      });
    }
  }
}

/** One direction of one connection. */
class Pipe {
  readonly #from: Socket;
  readonly #to: Socket;
  readonly #quality: LinkQuality;
  #chunks: { readonly bytes: Buffer; readonly dueAt: number }[] = [];
  #size = 0;
  /** When the last byte that was sent has left. */
  #freeAt = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isStalled = false;

  constructor(from: Socket, to: Socket, quality: LinkQuality) {
    this.#from = from;
    this.#to = to;
    this.#quality = quality;
    from.on("data", (bytes: Buffer) => this.#take(bytes));
    from.on("close", () => clearTimeout(this.#timer));
  }

  stall(): void {
    this.#isStalled = true;
  }

  resume(): void {
    this.#isStalled = false;
    this.#pass();
  }

  destroy(): void {
    this.#from.destroy();
    this.#to.destroy();
  }

  #take(bytes: Buffer): void {
    const { latencyMs, bytesPerMs } = this.#quality;
    this.#freeAt = Math.max(this.#freeAt, performance.now()) + bytes.length / bytesPerMs;
    this.#chunks.push({ bytes, dueAt: this.#freeAt + latencyMs });
    this.#size += bytes.length;
    if (this.#size > MAX_BYTES) this.#from.pause();
    this.#pass();
  }

  /** Hands on what is due, and comes back when more is. */
  #pass(): void {
    clearTimeout(this.#timer);
    while (!this.#isStalled) {
      const [next] = this.#chunks;
      if (next === undefined) break;
      const waitMs = next.dueAt - performance.now();
      if (waitMs > 0) {
        this.#timer = setTimeout(() => this.#pass(), waitMs);
        break;
      }
      this.#chunks.shift();
      this.#size -= next.bytes.length;
      this.#to.write(next.bytes);
    }
    if (this.#size <= MAX_BYTES) this.#from.resume();
  }
}
