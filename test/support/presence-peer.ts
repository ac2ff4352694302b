import { expect } from "bun:test";
import { patience, within } from "./deadline.ts";
import type { PeerState, PresenceUser, Received } from "./presence-user.ts";

/** Calls a method of the user of the presence client, wherever that is. */
export type CallUser = (method: keyof PresenceUser, ...args: unknown[]) => Promise<unknown>;

/** The name of the one event that peers listen to, unless they are told otherwise. */
export const NOTE = "note";

/** A user of the presence client as the test sees it. */
export class PresencePeer {
  readonly #call: CallUser;

  constructor(call: CallUser) {
    this.#call = call;
  }

  /** Settles when the client is connected. */
  async open(subscriberUrl: string, id: string, publicKey: string): Promise<void> {
    await this.#call("open", `${subscriberUrl}/v1`, id, publicKey);
  }

  async join(channel: string, state: PeerState, events: readonly string[] = [NOTE]): Promise<void> {
    await within(this.#call("join", channel, state, events), `acknowledgement to ${state.id}`);
  }

  async broadcast(event: string, ...data: [] | [unknown]): Promise<void> {
    await this.#call("broadcast", event, ...data);
  }

  async leave(): Promise<void> {
    await this.#call("leave");
  }

  /** Waits until the client shows exactly these others, in any order. */
  sees(peers: readonly PeerState[], ms = patience): Promise<void> {
    return becomes(async () => sorted(await this.#call("peers")), sorted(peers), ms);
  }

  /** Waits until exactly these events have arrived since the beginning, in this order. */
  hears(events: readonly Received[]): Promise<void> {
    return becomes(() => this.#call("received"), events, patience);
  }
}

function sorted(peers: unknown): unknown[] {
  if (!Array.isArray(peers)) throw new Error(`not a list: ${peers}`);
  return peers.toSorted((one, other) => one.id.localeCompare(other.id));
}

async function becomes(
  read: () => Promise<unknown>,
  expected: readonly unknown[],
  ms: number,
): Promise<void> {
  const end = Date.now() + ms;
  let actual = await read();
  while (!Bun.deepEquals(actual, expected) && Date.now() < end) {
    await Bun.sleep(5);
    actual = await read();
  }
  expect(actual).toEqual(expected);
}
