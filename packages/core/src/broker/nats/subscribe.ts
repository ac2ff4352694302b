import type { Msg, NatsConnection, Subscription } from "@nats-io/nats-core";
import type { Log } from "../../ports.ts";

/** Who hears what comes on a subject. */
export interface Listener {
  readonly log: Log;
  heard(message: Msg): void;
}

/** Subscribes; a refusal, for want of a permission as a rule, is logged. */
export function subscribeTo(
  connection: NatsConnection,
  subject: string,
  { log, heard }: Listener,
): Subscription {
  return connection.subscribe(subject, {
    callback: (error, message) => {
      if (error === null) heard(message);
      else log.error({ error, subject }, "NATS refuses a subscription");
    },
  });
}

/** Subjects that are listened to over every connection that a link has. */
export class Inboxes {
  readonly #subjects: readonly string[];
  readonly #listener: Listener;
  #subscriptions: readonly Subscription[] = [];

  constructor(subjects: readonly string[], listener: Listener) {
    this.#subjects = subjects;
    this.#listener = listener;
  }

  /** The link is up. */
  up(connection: NatsConnection): void {
    // A connection that was closed for good has taken its subscriptions along.
    if (!this.#subscriptions.every((each) => each.isClosed())) return;
    this.#subscriptions = this.#subjects.map((subject) =>
      subscribeTo(connection, subject, this.#listener),
    );
  }
}
