import type { Msg } from "@nats-io/nats-core";
import { HookCodec } from "../../mesh-hooks/codec.ts";
import { MeshHooks } from "../../mesh-hooks/mesh-hooks.ts";
import type { HookMessage } from "../../mesh-hooks/messages.ts";
import type { MeshHooksOptions } from "../../mesh-hooks/options.ts";
import { WireError } from "../ipc/wire-error.ts";
import type { MeshLink } from "./link.ts";
import type { NatsPresence } from "./nats-presence.ts";
import { Subjects } from "./subjects.ts";
import { Inboxes } from "./subscribe.ts";

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
  readonly #inboxes: Inboxes;
  #link: MeshLink | undefined;

  constructor(options: NatsHooksOptions) {
    this.#options = options;
    this.#subjects = new Subjects(options.prefix ?? "starling");
    const subjects = [this.#subjects.hooksOfAll, this.#subjects.hooksOf(options.start)];
    this.#inboxes = new Inboxes(subjects, {
      log: options.log,
      heard: (message) => this.#receive(message),
    });
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
        this.#inboxes.up(connection);
        this.mesh.linkUp();
      },
      down: () => this.mesh.linkDown(),
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
