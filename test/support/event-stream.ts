import type { ClientRequest, IncomingMessage } from "node:http";
import { request } from "node:https";
import { within } from "./deadline.ts";
import { Inbox } from "./inbox.ts";

/** A stream of server-sent events, read as the text that it is. */
export class EventStream implements Disposable {
  /** Resolves once the server has ended the response, or the line broke. */
  readonly ended: Promise<void>;
  readonly headers: Headers;
  readonly #response: IncomingMessage;
  readonly #outgoing: ClientRequest;
  readonly #inbox = new Inbox<string>();
  #rest = "";

  private constructor(outgoing: ClientRequest, response: IncomingMessage) {
    this.#outgoing = outgoing;
    this.#response = response;
    this.headers = new Headers(
      Object.entries(response.headers).map(([name, value]) => [name, String(value)]),
    );
    const { promise, resolve } = Promise.withResolvers<void>();
    this.ended = promise;
    response.setEncoding("utf8");
    response.on("data", (chunk: unknown) => this.#read(String(chunk)));
    response.on("error", () => {});
    response.on("close", () => {
      this.#inbox.end("the event stream has ended");
      resolve();
    });
  }

  /** Opens a stream, as an `EventSource` does; rejects when the answer is anything but 200. */
  static open(
    url: string,
    ca: string,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<EventStream> {
    const { promise, resolve, reject } = Promise.withResolvers<EventStream>();
    const asking = { accept: "text/event-stream", ...headers };
    const outgoing = request(url, { ca, headers: asking, agent: false }, (response) => {
      if (response.statusCode === 200) resolve(new EventStream(outgoing, response));
      else reject(new Error(`the event stream was refused with ${response.statusCode}`));
    });
    outgoing.on("error", reject);
    outgoing.end();
    return within(promise, "event stream");
  }

  /** The next block of lines, without the empty line that ends it. */
  block(): Promise<string> {
    return this.#inbox.next("block of an event stream");
  }

  /** The next block that is no comment. */
  async next(): Promise<string> {
    for (;;) {
      const block = await this.block();
      if (!block.startsWith(":")) return block;
    }
  }

  /** Calls back with every block from the first that is not yet read. */
  readWith(reader: (block: string) => void): void {
    this.#inbox.readWith(reader);
  }

  /** Whether the server ended the response, rather than that the line broke. */
  get isComplete(): boolean {
    return this.#response.complete;
  }

  /** Reads nothing more, as a client does that is suspended. */
  pause(): void {
    this.#response.pause();
  }

  resume(): void {
    this.#response.resume();
  }

  [Symbol.dispose](): void {
    this.#outgoing.destroy();
  }

  #read(chunk: string): void {
    const blocks = (this.#rest + chunk).split("\n\n");
    this.#rest = blocks.pop() ?? "";
    for (const block of blocks) this.#inbox.push(block);
  }
}

/** The address of a stream of those channels. */
export function eventsUrl(
  origin: string,
  channels: readonly string[],
  query: Readonly<Record<string, string>> = {},
): string {
  const parameters = new URLSearchParams(query);
  for (const channel of channels) parameters.append("channel", channel);
  return `${origin}/events?${parameters}`;
}
