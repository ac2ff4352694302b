import type { Msg, NatsConnection, Subscription } from "@nats-io/nats-core";
import { HookCodec } from "../../mesh-hooks/codec.ts";
import { MeshHooks } from "../../mesh-hooks/mesh-hooks.ts";
import type { HookMessage } from "../../mesh-hooks/messages.ts";
import type { MeshHooksOptions } from "../../mesh-hooks/options.ts";
import { WireError } from "../ipc/wire-error.ts";
import type { MeshLink } from "./link.ts";
import type { NatsPresence } from "./nats-presence.ts";
import { Subjects } from "./subjects.ts";

export interface NatsHooksOptions extends Omit<MeshHooksOptions, "transport"> {
  /** First token of all subjects; default `starling`. */
  readonly prefix?: string;
}

/** The hooks of the mesh over core NATS, by the link that the presence of the node has. */
export class NatsHooks {
  readonly mesh: MeshHooks;
  readonly #options: NatsHooksOptions;
  readonly #codec = new HookCodec();
  readonly #subjects: Subjects;
  #link: MeshLink | undefined;
  #inboxes: readonly Subscription[] = [];

  constructor(options: NatsHooksOptions) {
    this.#options = options;
    this.#subjects = new Subjects(options.prefix ?? "starling");
    this.mesh = new MeshHooks({
      ...options,
      transport: {
        send: (message, to) => this.#send(message, to),
        flushed: () => this.#link?.flushed() ?? Promise.resolve(false),
      },
    });
  }

  /** Begins, before the node has any worker. */
  join(presence: NatsPresence): void {
    this.#link = presence.link;
    presence.mesh.tellOfNodes(this.mesh);
    presence.link.use({
      up: (connection) => {
        // A connection that was closed for good has taken its subscriptions along.
        if (this.#inboxes.every((inbox) => inbox.isClosed())) {
          const { start } = this.#options;
          const subjects = [this.#subjects.hooksOfAll, this.#subjects.hooksOf(start)];
          this.#inboxes = subjects.map((subject) => this.#subscribe(connection, subject));
        }
        this.mesh.linkUp();
      },
      down: () => this.mesh.linkDown(),
    });
  }

  #subscribe(connection: NatsConnection, subject: string): Subscription {
    return connection.subscribe(subject, {
      callback: (error, message) => {
        const { log } = this.#options;
        if (error !== null) log.error({ error, subject }, "NATS refuses a subscription");
        else this.#receive(message);
      },
    });
  }

  #receive({ data, subject }: Msg): void {
    try {
      const { start, message } = this.#codec.decode(data);
      this.mesh.receive(start, message);
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      this.mesh.counters.invalid++;
      this.#options.log.warn({ error, subject }, "a message of NATS says nothing of hooks");
    }
  }

  #send(message: HookMessage, to: string | undefined): void {
    const subject = to === undefined ? this.#subjects.hooksOfAll : this.#subjects.hooksOf(to);
    try {
      this.#link?.connection?.publish(subject, this.#codec.encode(this.#options.start, message));
    } catch (error) {
      // What is missing is asked for again.
      this.#options.log.error({ error, subject }, "NATS does not take what is said of hooks");
    }
  }
}
