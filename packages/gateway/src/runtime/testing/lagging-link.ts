import type { Msg, NatsConnection, SubscriptionOptions } from "@nats-io/nats-core";

/** A link to NATS on which what streams have kept, and the answers to pings, come as late as a test wants. */
export class LaggingLink {
  readonly #waiting: (() => void)[] = [];
  #isHeld = false;
  #connection: NatsConnection | undefined;

  /** From now on nothing of a stream comes live, and no ping is answered. */
  hold(): void {
    this.#isHeld = true;
  }

  /** What has waited comes, in its order, and what follows comes at once. */
  release(): void {
    this.#isHeld = false;
    for (const arrive of this.#waiting.splice(0)) arrive();
  }

  /** Messages that have come over it. */
  get messages(): number {
    return this.#connection?.stats().inMsgs ?? 0;
  }

  /** Breaks, and comes up again by itself. */
  async break(): Promise<void> {
    await this.#connection?.reconnect();
  }

  over(connection: NatsConnection): NatsConnection {
    this.#connection = connection;
    const subscribe = (subject: string, options: SubscriptionOptions = {}) => {
      const { callback } = options;
      if (callback === undefined || !subject.includes(".live.")) {
        return connection.subscribe(subject, options);
      }
      const late = (error: Error | null, message: Msg) => {
        if (this.#isHeld) this.#waiting.push(() => callback(error, message));
        else callback(error, message);
      };
      return connection.subscribe(subject, { ...options, callback: late });
    };
    const flush = async () => {
      await connection.flush();
      if (this.#isHeld) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    };
    return new Proxy(connection, {
      get(target, name) {
        if (name === "subscribe") return subscribe;
        if (name === "flush") return flush;
        const value: unknown = Reflect.get(target, name, target);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
  }
}
