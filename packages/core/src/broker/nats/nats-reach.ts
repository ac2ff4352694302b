import type { Msg } from "@nats-io/nats-core";
import type { Log } from "../../ports.ts";
import { decodeReach, encodeReach } from "../../reach/codec.ts";
import { MeshReach, type MeshReachOptions } from "../../reach/mesh-reach.ts";
import type { OtherNode, ReachMessage, ReachTransport, Recipient } from "../../reach/transport.ts";
import { WireError } from "../ipc/wire-error.ts";
import type { MeshLink } from "./link.ts";
import { Subjects } from "./subjects.ts";
import { Inboxes } from "./subscribe.ts";

export interface NatsReachOptions extends Omit<MeshReachOptions, "transport"> {
  /** Which has not come up yet. */
  readonly link: MeshLink;
  /** The other nodes that are there. */
  nodes(): readonly OtherNode[];
  readonly log: Log;
  /** First token of all subjects; default `starling`. */
  readonly prefix?: string;
}

/** What the nodes of a mesh ask one another, over the link that each has to NATS. */
export class NatsReach {
  readonly mesh: MeshReach;
  readonly #options: NatsReachOptions;
  readonly #subjects: Subjects;
  #invalid = 0;

  constructor(options: NatsReachOptions) {
    const { link, nodes, own, log } = options;
    this.#options = options;
    this.#subjects = new Subjects(options.prefix ?? "starling");
    const transport: ReachTransport = {
      get isUp() {
        return link.connection !== undefined;
      },
      nodes,
      send: (to, message) => this.#send(to, message),
    };
    this.mesh = new MeshReach({ ...options, transport });
    const subjects = [this.#subjects.everyNodeAsked, this.#subjects.oneNodeAsked(own.start)];
    const inboxes = new Inboxes(subjects, { log, heard: (message) => this.#receive(message) });
    link.use({
      up: (connection) => {
        inboxes.up(connection);
        this.mesh.linkUp();
      },
      down: () => this.mesh.linkDown(),
    });
  }

  /** Messages that were not understood. */
  get invalid(): number {
    return this.#invalid;
  }

  close(): void {
    this.mesh.close();
  }

  #receive({ data, subject }: Msg): void {
    try {
      const { start, message } = decodeReach(data);
      if (start !== this.#options.own.start) this.mesh.receive(start, message);
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      this.#invalid++;
      this.#options.log.warn({ error, subject }, "a message of NATS is none of a node");
    }
  }

  #send(to: Recipient, message: ReachMessage): boolean {
    const { link, own, log } = this.#options;
    const subject =
      to === "all" ? this.#subjects.everyNodeAsked : this.#subjects.oneNodeAsked(to.start);
    try {
      link.connection?.publish(subject, encodeReach(own.start, message));
    } catch (error) {
      // More than the server lets through, and it is so again next time.
      log.error({ error, subject }, "NATS does not take what a node says");
      return false;
    }
    return link.connection !== undefined;
  }
}
