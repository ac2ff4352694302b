import type { Msg, NatsConnection, Subscription } from "@nats-io/nats-core";
import { ByChannel } from "../../hub/by-channel.ts";
import { Codec } from "../../mesh-presence/codec.ts";
import type { Address, MeshTransport, Message } from "../../mesh-presence/messages.ts";
import { PresenceMesh, type PresenceMeshOptions } from "../../mesh-presence/presence-mesh.ts";
import { WireError } from "../ipc/wire-error.ts";
import { MeshLink } from "./link.ts";
import { LinkProbe, type LinkReport } from "./link-probe.ts";
import { NodePings } from "./node-pings.ts";
import { Subjects } from "./subjects.ts";
import { Inboxes, type Listener, subscribeTo } from "./subscribe.ts";

/** Bytes that NATS may not have taken yet, and of which it is asked whether it has. */
const MAX_BYTES = 16 * 1024 * 1024;
const CONFIRMED_BYTES = 256 * 1024;

export interface NatsPresenceOptions extends Omit<PresenceMeshOptions, "transport"> {
  /** Connects as `MeshLink` wants it, without an echo of what is sent. */
  connect(): Promise<NatsConnection>;
  /** First token of all subjects; default `starling`. */
  readonly prefix?: string;
}

/**
 * The presence of the mesh over core NATS, for the process that holds the node.
 *
 * Nothing is kept for a link that is down: what other nodes have missed they ask for.
 */
export class NatsPresence {
  readonly mesh: PresenceMesh;
  readonly pings: NodePings;
  /** The node's own link to NATS, for whatever else it has to say to others. */
  readonly link: MeshLink;
  readonly #options: NatsPresenceOptions;
  readonly #codec = new Codec();
  readonly #probe: LinkProbe;
  readonly #subjects: Subjects;
  readonly #wanted = new ByChannel<Subscription | undefined>();
  readonly #listener: Listener;
  readonly #inboxes: Inboxes;
  /** Bytes that were sent over this link, and those of them that NATS has taken. */
  #sent = 0;
  #taken = 0;
  #isConfirming = false;

  constructor(options: NatsPresenceOptions) {
    this.#options = options;
    this.#subjects = new Subjects(options.prefix ?? "starling");
    this.#listener = { log: options.log, heard: (message) => this.#receive(message) };
    const inboxes = [this.#subjects.everyNode, this.#subjects.oneNode(options.start)];
    this.#inboxes = new Inboxes(inboxes, this.#listener);
    this.link = new MeshLink(options);
    this.#probe = new LinkProbe(this.link, options.clock);
    this.pings = new NodePings({ ...options, link: this.link, subjects: this.#subjects });
    const transport: MeshTransport = {
      send: (address, message) => this.#send(address, message),
      whenSent: (callback) => void this.link.flushed().then(callback),
      listen: (app, channel, isWanted) => this.#listen(app, channel, isWanted),
    };
    this.mesh = new PresenceMesh({ ...options, transport });
    this.link.use({
      up: (connection) => this.#up(connection),
      down: () => this.mesh.linkDown(),
    });
    this.link.start();
  }

  /** Since when NATS has been away, ms since the epoch; undefined while it is there. */
  get downSince(): number | undefined {
    return this.link.downSince;
  }

  /** How the connection stands, and how far it is behind. */
  linkReport(): LinkReport {
    return this.#probe.report();
  }

  /** Connects in another way, from now on; rejected where that fails, and then all is as it was. */
  renew(connect: NatsPresenceOptions["connect"]): Promise<void> {
    return this.link.renew(connect);
  }

  /** Bytes that NATS may not have taken yet. */
  get waitingBytes(): number {
    return this.#sent - this.#taken;
  }

  /** Says that the node ends, and leaves NATS. */
  async close(): Promise<void> {
    this.mesh.close();
    await this.link.flushed();
    await this.link.close();
  }

  #up(connection: NatsConnection): void {
    this.#sent = this.#taken = 0;
    this.#inboxes.up(connection);
    for (const [app, channel, known] of this.#wanted.entries()) {
      if (known !== undefined && !known.isClosed()) continue;
      const subject = this.#subjects.members(app, channel);
      this.#wanted.set(app, channel, subscribeTo(connection, subject, this.#listener));
    }
    this.mesh.linkUp();
  }

  #listen(app: string, channel: string, isWanted: boolean): void {
    const { subscriber } = this.link;
    this.#wanted.get(app, channel)?.unsubscribe();
    if (!isWanted) {
      this.#wanted.delete(app, channel);
      return;
    }
    const subject = this.#subjects.members(app, channel);
    const isReady = subscriber !== undefined && !subscriber.isClosed();
    const subscription = isReady ? subscribeTo(subscriber, subject, this.#listener) : undefined;
    this.#wanted.set(app, channel, subscription);
  }

  #receive({ data, subject }: Msg): void {
    const { counters } = this.mesh;
    try {
      const { start, message } = this.#codec.decode(data);
      this.mesh.receive(start, message);
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      counters.invalid++;
      this.#options.log.warn({ error, subject }, "a message of NATS says nothing of members");
    }
  }

  #send(address: Address, message: Message): void {
    const { connection } = this.link;
    const { counters } = this.mesh;
    if (connection === undefined || this.waitingBytes > MAX_BYTES) {
      counters.dropped++;
      return;
    }
    const bytes = this.#codec.encode(this.#options.start, message);
    const subject = this.#subjectOf(address);
    try {
      connection.publish(subject, bytes);
    } catch (error) {
      // More than the server lets through, and it is so again next time.
      counters.dropped++;
      this.#options.log.error({ error, subject }, "NATS does not take what is said of members");
      return;
    }
    this.#sent += bytes.length;
    if (this.waitingBytes >= CONFIRMED_BYTES) this.#confirm();
  }

  #subjectOf(address: Address): string {
    switch (address.to) {
      case "all":
        return this.#subjects.everyNode;
      case "node":
        return this.#subjects.oneNode(address.start);
      case "channel":
        return this.#subjects.members(address.app, address.channel);
    }
  }

  #confirm(): void {
    if (this.#isConfirming) return;
    this.#isConfirming = true;
    const { number } = this.link;
    let upTo = 0;
    const isTaken = this.link.flushed(() => {
      upTo = this.#sent;
    });
    void isTaken.then((isDone) => {
      this.#isConfirming = false;
      if (isDone && number === this.link.number) this.#taken = upTo;
      if (this.waitingBytes >= CONFIRMED_BYTES && this.link.connection !== undefined) {
        this.#confirm();
      }
    });
  }
}
