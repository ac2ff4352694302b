import { EventStream, eventsUrl } from "../event-stream.ts";
import { endingOf, FaultClient } from "./fault-client.ts";

const CLOSE = "event: starling:close\n";

/** A client of server-sent events. */
export class EventStreamClient extends FaultClient {
  #stream: EventStream | undefined;

  start(): void {
    void this.#run();
  }

  protected disconnect(): void {
    this.#stream?.[Symbol.dispose]();
  }

  async #run(): Promise<void> {
    const { subscriberUrl, ca } = this.context.server;
    const url = eventsUrl(subscriberUrl, this.channels, { envelope: "1" });
    while (this.isReturning) {
      const stream = await EventStream.open(url, ca).catch(() => undefined);
      if (stream !== undefined) await this.#read(stream);
      await this.pause();
    }
  }

  async #read(stream: EventStream): Promise<void> {
    if (this.isStopped) {
      stream[Symbol.dispose]();
      return;
    }
    this.#stream = stream;
    this.beginStays();
    let code: number | undefined;
    stream.readWith((block) => {
      if (block.startsWith(CLOSE)) code = Number(dataOf(block).code);
      else this.#take(block);
    });
    await stream.ended;
    this.connectionEnded({ ending: stream.isComplete ? endingOf(code ?? 1000) : "broken", code });
  }

  #take(block: string): void {
    if (block.startsWith(":") || this.isStopped) return;
    // The first block of a stream; its subscriptions are there.
    if (block.startsWith("retry:")) {
      for (const channel of this.channels) this.acknowledge(channel);
      return;
    }
    this.receive(dataOf(block).data);
  }
}

/** The JSON that an event of a stream carries. */
function dataOf(block: string): { readonly code?: unknown; readonly data?: unknown } {
  const lines = block.split("\n").filter((line) => line.startsWith("data: "));
  return JSON.parse(lines.map((line) => line.slice(6)).join("\n"));
}
