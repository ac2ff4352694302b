/**
 * Run by Bun: hands on the TCP connections to one port as a line between two regions does, and takes `cut` and `heal`
 * by its input. TCP makes of a packet that is lost a pause of everything behind it.
 */
import { connect, createServer, type Socket } from "node:net";
import { createInterface } from "node:readline";
import { SeededRandom } from "../faults/seeded-random.ts";
import type { LineQuality } from "./line.ts";

/** Bytes of a packet. */
const PACKET = 1_400;
/** Milliseconds until what was lost has been sent again and has arrived, beside the delay. */
const AGAIN_MS = [80, 300] as const;
/** Bytes under way in one direction, behind which the sender has to wait. */
const MAX_BYTES = 1024 * 1024;

const [target = "", quality = "{}"] = process.argv.slice(2);
const { delayMs, lossOf }: LineQuality = JSON.parse(quality);
const random = new SeededRandom(process.pid);
const pipes = new Set<Pipe>();
let isCut = false;

/** One direction of one connection. */
class Pipe {
  readonly #from: Socket;
  readonly #to: Socket;
  #chunks: { readonly bytes: Buffer | undefined; readonly dueAt: number }[] = [];
  #size = 0;
  #lastAt = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(from: Socket, to: Socket) {
    this.#from = from;
    this.#to = to;
    from.on("data", (bytes: Buffer) => this.#take(bytes));
    from.on("error", () => {});
    from.on("close", () => this.#take(undefined));
    to.on("close", () => this.#end());
    pipes.add(this);
  }

  pass(): void {
    clearTimeout(this.#timer);
    while (!isCut) {
      const [next] = this.#chunks;
      if (next === undefined) break;
      const waitMs = next.dueAt - performance.now();
      if (waitMs > 0) {
        this.#timer = setTimeout(() => this.pass(), waitMs);
        break;
      }
      this.#chunks.shift();
      this.#size -= next.bytes?.length ?? 0;
      if (next.bytes === undefined) this.#to.destroySoon();
      else this.#to.write(next.bytes);
    }
    if (this.#size <= MAX_BYTES) this.#from.resume();
  }

  /** Undefined is the end. */
  #take(bytes: Buffer | undefined): void {
    const packets = Math.ceil((bytes?.length ?? 1) / PACKET);
    let pauseMs = 0;
    for (let packet = 0; packet < packets; packet++) {
      if (random.integer(1, lossOf) === 1) pauseMs = random.integer(...AGAIN_MS);
    }
    this.#lastAt = Math.max(this.#lastAt, performance.now() + delayMs + pauseMs);
    this.#chunks.push({ bytes, dueAt: this.#lastAt });
    this.#size += bytes?.length ?? 0;
    if (this.#size > MAX_BYTES) this.#from.pause();
    this.pass();
  }

  /** Nobody is there any more who takes it. */
  #end(): void {
    clearTimeout(this.#timer);
    this.#chunks = [];
    pipes.delete(this);
    // Who is cut off does not hear of it.
    if (!isCut) this.#from.destroySoon();
  }
}

const server = createServer({ allowHalfOpen: false }, (client) => {
  client.on("error", () => {});
  if (isCut) {
    client.destroy();
    return;
  }
  const { hostname, port } = new URL(target);
  const far = connect(Number(port), hostname);
  new Pipe(client, far);
  new Pipe(far, client);
});
server.listen(0, "127.0.0.1", () => {
  const address = server.address();
  console.log(Object(address).port);
});

createInterface({ input: process.stdin })
  .on("line", (line) => {
    isCut = line === "cut";
    if (!isCut) for (const pipe of [...pipes]) pipe.pass();
    console.log(line);
  })
  .on("close", () => process.exit(0));
