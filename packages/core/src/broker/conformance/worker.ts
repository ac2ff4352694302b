import { expect } from "bun:test";
import type { ErrorName } from "@starling/protocol/errors.ts";
import type { Answer } from "../../answer.ts";
import type { Publication } from "../../hub/publication.ts";
import type {
  Broker,
  BrokerHandler,
  Cancellation,
  Concerns,
  Delivery,
  PresenceEvent,
} from "../broker.ts";
import type { BrokerFixture } from "./fixture.ts";

/** A worker that remembers what its broker tells it. */
export class RecordingWorker implements BrokerHandler {
  readonly received: Publication[] = [];
  readonly news: {
    readonly app: string;
    readonly channel: string;
    readonly event: PresenceEvent;
  }[] = [];
  /** What it was told that it may have missed; undefined is all. */
  readonly missedIn: (Concerns | undefined)[] = [];
  /** What it answers; a test puts its own in its place. */
  reply: (method: string, argument: unknown, cancellation: Cancellation) => Answer<unknown> = () =>
    null;

  delivered(publication: Publication): void {
    this.received.push(publication);
  }

  presence(app: string, channel: string, event: PresenceEvent): void {
    this.news.push({ app, channel, event });
  }

  missed(concerns?: Concerns): void {
    this.missedIn.push(concerns);
  }

  get missedCalls(): number {
    return this.missedIn.length;
  }

  answer(method: string, argument: unknown, cancellation: Cancellation): Answer<unknown> {
    return this.reply(method, argument, cancellation);
  }

  /** The data of what it received, in that order, and forgets it. */
  take(): string[] {
    return this.received.splice(0).map(({ data }) => data);
  }
}

export type Joined = RecordingWorker & { readonly broker: Broker };

/** A worker that has joined. */
export async function join(fixture: BrokerFixture): Promise<Joined> {
  const worker = new RecordingWorker();
  return Object.assign(worker, { broker: await fixture.join(worker) });
}

/** What became of a question that a test does not wait for. */
export interface Asked<T> {
  /** Undefined while there is no answer. */
  outcome: { readonly value: T } | { readonly error: unknown } | undefined;
}

export function ask<T>(question: () => Answer<T>): Asked<T> {
  const asked: Asked<T> = { outcome: undefined };
  const settled = async () => {
    try {
      asked.outcome = { value: await question() };
    } catch (error) {
      asked.outcome = { error };
    }
  };
  void settled();
  return asked;
}

/** The answer, which is to be there once what is under way has arrived; no time passes. */
export async function answered<T>(fixture: BrokerFixture, question: () => Answer<T>): Promise<T> {
  const asked = ask(question);
  await fixture.settle();
  if (asked.outcome === undefined) throw new Error("there is no answer yet");
  if ("error" in asked.outcome) throw asked.outcome.error;
  return asked.outcome.value;
}

/** The outcome of a question that was refused. */
export function refusal(errorName: ErrorName): { readonly error: unknown } {
  return { error: expect.objectContaining({ name: "StarlingError", errorName }) };
}

/** A publication in a channel of the app `default`. */
export function publication(channel: string, data: string, id?: number): Publication {
  return { id, app: "default", channel, event: "event", data };
}

/** Publishes in one channel of the app `default`. */
export function delivery(channel: string, data: string, more: Partial<Delivery> = {}): Delivery {
  return {
    app: "default",
    channels: [channel],
    streams: [],
    publication: publication(channel, data),
    reached: 0,
    ...more,
  };
}
