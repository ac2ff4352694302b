import { StarlingError } from "@starling/protocol/errors.ts";
import type { Answer } from "../answer.ts";
import type { Publication } from "../hub/publication.ts";
import type { BrokerHandler, Cancellation, Concerns, PresenceEvent } from "./broker.ts";

/** Answers one kind of question of another worker. */
export type Method = (argument: unknown, cancellation: Cancellation) => Answer<unknown>;

type PresenceListener = (app: string, channel: string, event: PresenceEvent) => void;

/**
 * A worker's side of the broker, put together by the parts of the worker that do something for it.
 * There is one before there is a broker; what comes before anybody has registered is for nobody.
 */
export class WorkerHandlers implements BrokerHandler {
  readonly #methods = new Map<string, Method>();
  readonly #missed: ((concerns: Concerns | undefined) => void)[] = [];
  #delivered: (publication: Publication) => void = () => {};
  #presence: PresenceListener = () => {};

  /** Who delivers the publications of other workers. */
  onDelivered(listener: (publication: Publication) => void): void {
    this.#delivered = listener;
  }

  /** Who keeps the members of other workers. */
  onPresence(listener: PresenceListener): void {
    this.#presence = listener;
  }

  /** Called, in the order of registration, when something may have been lost, and in which channels. */
  onMissed(listener: (concerns: Concerns | undefined) => void): void {
    this.#missed.push(listener);
  }

  /** @throws RangeError when somebody answers that method already */
  method(name: string, method: Method): void {
    if (this.#methods.has(name)) throw new RangeError(`${name} is answered already`);
    this.#methods.set(name, method);
  }

  delivered(publication: Publication): void {
    this.#delivered(publication);
  }

  presence(app: string, channel: string, event: PresenceEvent): void {
    this.#presence(app, channel, event);
  }

  missed(concerns?: Concerns): void {
    for (const listener of this.#missed) listener(concerns);
  }

  answer(name: string, argument: unknown, cancellation: Cancellation): Answer<unknown> {
    const method = this.#methods.get(name);
    if (method === undefined) throw new StarlingError("internal", `no method ${name}`);
    return method(argument, cancellation);
  }
}
