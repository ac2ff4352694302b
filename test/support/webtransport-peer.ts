import { eventually } from "./deadline.ts";
import { pack, type Signal, unpack } from "./signalling-client.ts";
import type { Way } from "./webtransport-framing.ts";
import type { SessionEnd, WebTransportUser } from "./webtransport-user.ts";

/** A signal, and the way that it came: alone in a datagram, or as one of several in it. */
export interface Arrival {
  readonly way: Way;
  readonly signal: Signal;
}

/** A page, or what can be asked like one. */
interface Evaluator {
  evaluate(expression: string): Promise<unknown>;
}

/** A client of the signalling protocol over WebTransport, in a page. */
export class WebTransportPeer {
  readonly #page: Evaluator;
  #arrivals: Arrival[] = [];

  constructor(page: Evaluator) {
    this.#page = page;
  }

  open(url: string, hash: string): Promise<unknown> {
    return this.#call("open", url, hash);
  }

  openStream(): Promise<unknown> {
    return this.#call("openStream");
  }

  async ended(): Promise<SessionEnd> {
    return (await this.#call("ended")) as SessionEnd;
  }

  close(): Promise<unknown> {
    return this.#call("close");
  }

  send(signal: Signal): Promise<unknown> {
    return this.#call("send", [...pack(signal)]);
  }

  sendDatagram(signal: Signal): Promise<unknown> {
    return this.#call("sendDatagram", [...pack(signal)]);
  }

  /** Sends bytes as they are, in a datagram or on the stream. */
  sendRaw(way: Arrival["way"], bytes: readonly number[]): Promise<unknown> {
    return this.#call(way === "stream" ? "write" : "sendDatagram", bytes);
  }

  /** Several in one datagram, with `rest` behind them. */
  sendBatch(signals: readonly Signal[], rest: readonly number[] = []): Promise<unknown> {
    return this.#call(
      "sendBatch",
      signals.map((signal) => [...pack(signal)]),
      rest,
    );
  }

  /** The next that has come, whichever way, and is such a one; those before it are passed over. */
  next(what: string, isWanted: (signal: Signal) => boolean): Promise<Arrival> {
    return eventually(what, async () => {
      await this.#receive();
      const index = this.#arrivals.findIndex(({ signal }) => isWanted(signal));
      const found = this.#arrivals[index];
      if (found !== undefined) this.#arrivals = this.#arrivals.slice(index + 1);
      return found;
    });
  }

  nextOf(op: string): Promise<Arrival> {
    return this.next(op, (signal) => signal.op === op);
  }

  async #receive(): Promise<void> {
    const taken = (await this.#call("take")) as [Arrival["way"], number[]][];
    for (const [way, bytes] of taken) {
      this.#arrivals.push({ way, signal: unpack(Uint8Array.from(bytes)) as Signal });
    }
  }

  #call(method: keyof WebTransportUser, ...args: unknown[]): Promise<unknown> {
    const list = args.map((argument) => JSON.stringify(argument)).join();
    return this.#page.evaluate(`user.${method}(${list})`);
  }
}
