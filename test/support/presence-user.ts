import type { ConnectionStatus, IChannel, IPresence, JsonSerializable } from "@yomo/presence";
import { createPresence } from "@yomo/presence";

/** What a peer says of itself. */
export type PeerState = { readonly id: string; readonly [key: string]: unknown };

/** An event: its name, its data, and the id of who broadcast it. */
export type Received = readonly [event: string, data: unknown, from: string];

/**
 * The published presence client in the hands of a page or a program, which a test drives from
 * outside: what the methods take and give can be sent as JSON.
 */
export class PresenceUser {
  #presence: IPresence | undefined;
  #channel: IChannel | undefined;
  #peers: readonly PeerState[] = [];
  readonly #received: Received[] = [];
  /** What the client leaves to its page when it is connected again. */
  #rejoin = () => Promise.resolve();

  /** Settles when the client is connected; it never fails, but tries again. */
  async open(url: string, id: string, publicKey: string): Promise<void> {
    this.#presence = await createPresence(url, { id, publicKey });
    // The package declares this enumeration and has no value of it.
    this.#presence.on("open" as ConnectionStatus, () => void this.#rejoin());
  }

  /**
   * Settles when the gateway has acknowledged; from then on it listens to those events. It joins
   * once more, and says in its state that it is back, whenever it is connected again.
   */
  async join(channel: string, state: PeerState, events: readonly string[]): Promise<void> {
    this.#rejoin = () => this.join(channel, { ...state, back: true }, events);
    this.#peers = [];
    const joined = await this.#presence?.joinChannel(channel, state);
    this.#channel = joined;
    joined?.subscribePeers((peers) => {
      this.#peers = structuredClone(peers);
    });
    for (const event of events) {
      joined?.subscribe(event, (data, { id }) => this.#received.push([event, data, id]));
    }
  }

  broadcast(event: string, data?: JsonSerializable): void {
    this.#channel?.broadcast(event, data);
  }

  leave(): void {
    this.#channel?.leave();
  }

  /** The others in the channel, as the client last told. */
  peers(): readonly PeerState[] {
    return this.#peers;
  }

  /** The events so far, in order of arrival. */
  received(): readonly Received[] {
    return this.#received;
  }
}
