import { EventStream, eventsUrl } from "../event-stream.ts";
import { type Acknowledgement, endingOf, FaultClient } from "./fault-client.ts";

const RECOVERY = "event: starling:recovery\n";
const CLOSE = "event: starling:close\n";

/** A client of server-sent events. */
export class EventStreamClient extends FaultClient {
  #stream: EventStream | undefined;
  #lastEventId: string | undefined;

  start(): void {
    void this.#run();
  }

  /** Reads nothing more of the present connection until `resume`, as a client does that is suspended. */
  suspend(): void {
    this.#stream?.pause();
  }

  resume(): void {
    this.#stream?.resume();
  }

  protected disconnect(): void {
    this.#stream?.[Symbol.dispose]();
  }

  protected loseConnection(): void {
    this.#stream?.[Symbol.dispose]();
  }

  async #run(): Promise<void> {
    while (this.isReturning) {
      const { subscriberUrl, ca } = this.context.server;
      const url = eventsUrl(subscriberUrl, this.channels, { envelope: "1" });
      const { recovers } = this.context;
      const id = recovers === true ? this.#lastEventId : undefined;
      const headers = id === undefined ? {} : { "last-event-id": id };
      const askedAt = this.context.recorder.now();
      const stream = await EventStream.open(url, ca, headers).catch(() => undefined);
      if (stream !== undefined) await this.#read(stream, askedAt);
      await this.pause();
    }
  }

  async #read(stream: EventStream, askedAt: number): Promise<void> {
    if (this.isStopped) {
      stream[Symbol.dispose]();
      return;
    }
    this.#stream = stream;
    this.beginStays(askedAt);
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
    const [, id] = /^id: (.*)$/m.exec(block) ?? [];
    if (id !== undefined) this.#lastEventId = id;
    if (this.context.recovers === true) this.#takeRecovering(block, id);
    // The first block of a stream; its subscriptions are there.
    else if (block.startsWith("retry:")) this.#acknowledgeAll({});
    else this.receive(dataOf(block).data);
  }

  #takeRecovering(block: string, id: string | undefined): void {
    if (block.startsWith("retry:")) return;
    if (block.includes(RECOVERY)) {
      const { recovered, channels = this.channels } = dataOf(block);
      for (const channel of this.channels) {
        const isWhole = recovered === true || !channels.includes(channel);
        this.acknowledge(channel, { position: this.#lastEventId, recovered: isWhole });
      }
    } else if (block.includes("data: ")) {
      this.receive(dataOf(block).data, id);
    } else if (this.positions.size === 0) {
      this.#acknowledgeAll({ position: id });
    }
  }

  #acknowledgeAll(acknowledgement: Acknowledgement): void {
    for (const channel of this.channels) this.acknowledge(channel, acknowledgement);
  }
}

/** The JSON that an event of a stream carries. */
function dataOf(block: string): {
  readonly code?: unknown;
  readonly data?: unknown;
  readonly recovered?: unknown;
  readonly channels?: readonly string[];
} {
  const lines = block.split("\n").filter((line) => line.startsWith("data: "));
  return JSON.parse(lines.map((line) => line.slice(6)).join("\n"));
}
