import { setTimeout as sleep } from "node:timers/promises";
import type { Ending } from "./history.ts";
import type { OpenStay, Recorder } from "./recorder.ts";
import type { SeededRandom } from "./seeded-random.ts";

/** Of an error that says that it may be asked for again later. */
export const UNAVAILABLE = 901;

/** What every client of a run needs. */
export interface ClientContext {
  /** Where the next connection goes. */
  readonly server: { readonly subscriberUrl: string; readonly ca: string };
  /** Which of the nodes that is. */
  readonly node?: number;
  readonly recorder: Recorder;
  readonly random: SeededRandom;
  /** Whether clients ask for what they missed when they come back. */
  readonly recovers?: boolean | undefined;
  /** Called when a connection has ended: the next may go to another node. */
  moveOn?(): void;
}

/** What a subscription was acknowledged with. */
export interface Acknowledgement {
  /** Where the client stands, `EPOCH.OFFSET`. */
  readonly position?: string | undefined;
  readonly recovered?: boolean | undefined;
}

/** How a connection ended, as far as its client can tell. */
export interface EndOfConnection {
  readonly ending: Ending;
  readonly code?: number | undefined;
  readonly isNoticed?: boolean | undefined;
  /** Whether it was told by the answer to a poll. */
  readonly isFetched?: boolean;
  /** More of it for a person, where there is more to say. */
  readonly why?: string;
}

/** A client that comes back by itself whenever its connection has ended. */
export abstract class FaultClient {
  readonly name: string;
  protected readonly context: ClientContext;
  protected readonly channels: readonly string[];
  /** By channel; those of the present connection. */
  protected readonly stays = new Map<string, OpenStay>();
  /** Where it stands in each channel that it was ever told a position of. */
  protected readonly positions = new Map<string, string>();
  #isStopped = false;
  #mayReturn = true;
  #away: Promise<unknown> = Promise.resolve();

  constructor(context: ClientContext, name: string, channels: readonly string[]) {
    this.context = context;
    this.name = name;
    this.channels = channels;
  }

  /** Begins to connect. */
  abstract start(): void;

  /** Ends the connection, which is the last one. */
  stop(): void {
    this.#isStopped = true;
    this.#endStays();
    this.disconnect();
  }

  /** From now on it stays away when its connection ends. */
  stayAway(): void {
    this.#mayReturn = false;
  }

  /** Loses its connection, and stays away until that is resolved at least. */
  breakOff(away: Promise<unknown>): void {
    this.#away = away;
    this.loseConnection();
  }

  get isReturning(): boolean {
    return this.#mayReturn && !this.#isStopped;
  }

  get isStopped(): boolean {
    return this.#isStopped;
  }

  /** Whether every subscription that it wants is acknowledged. */
  get isSubscribed(): boolean {
    return (
      this.stays.size === this.channels.length &&
      [...this.stays.values()].every(({ from }) => from !== undefined)
    );
  }

  protected abstract disconnect(): void;

  /** Breaks the connection off as a network does. */
  protected abstract loseConnection(): void;

  /** The subscriptions of a new connection, none of them acknowledged; `askedAt` is before it asked. */
  protected beginStays(askedAt = this.context.recorder.now()): void {
    this.#endStays();
    const { recorder, node } = this.context;
    for (const channel of this.channels) {
      const stay = recorder.stay(this.name, channel, askedAt, node);
      stay.isReturn = this.positions.has(channel);
      this.stays.set(channel, stay);
    }
  }

  protected acknowledge(channel: string, { position, recovered }: Acknowledgement = {}): void {
    const stay = this.stays.get(channel);
    if (stay === undefined) return;
    stay.from ??= this.context.recorder.now();
    stay.recovered = recovered;
    if (position !== undefined) this.positions.set(channel, position);
  }

  /** `cursor` is what it comes back with; `position` is where the publication itself stands, if it is told. */
  protected receive(content: unknown, cursor?: string, position?: string): void {
    if (this.#isStopped) return;
    this.context.recorder.receive(this.name, this.stays, content, position);
    const { c } = Object(content);
    if (cursor !== undefined && this.context.recovers === true) this.positions.set(c, cursor);
  }

  protected connectionEnded(end: EndOfConnection): void {
    if (this.#isStopped) return;
    const at = this.context.recorder.now();
    this.context.recorder.ends.push({ client: this.name, at, ...end });
    if (end.code !== undefined && end.code >= 4500) {
      this.context.recorder.troubles.push(`${this.name} was closed with ${end.code}`);
    }
    this.#endStays(end);
    this.context.moveOn?.();
  }

  /** A delay before the next attempt to connect. */
  protected async pause(): Promise<void> {
    await this.#away;
    await sleep(this.context.random.integer(20, 250));
  }

  #endStays({ ending, isFetched }: Partial<EndOfConnection> = {}): void {
    const until = this.context.recorder.now();
    for (const stay of this.stays.values()) Object.assign(stay, { until, ending, isFetched });
    this.stays.clear();
  }
}

/** What a close code of the gateway says, with 1013 for clients that take no others. */
export function endingOf(code: number | undefined): Ending {
  if (code === 4007) return "missed";
  return code === undefined || code === 1006 ? "broken" : "orderly";
}
