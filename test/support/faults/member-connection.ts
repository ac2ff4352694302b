import { type Signal, SignallingClient } from "../signalling-client.ts";
import { endingOf } from "./fault-client.ts";
import type { Ending } from "./history.ts";

/** How the connection of a member ended, as far as it can tell. */
export interface MemberEnd {
  readonly ending: Ending;
  readonly code?: number | undefined;
  readonly why?: string;
  /** When it last heard of the server, ms, where it found out only later that it was gone. */
  readonly heardAt?: number;
}

/** A connection of the signalling protocol, whatever carries it; disposing of it breaks it off. */
export interface MemberConnection extends Disposable {
  readonly ended: Promise<MemberEnd>;
  send(signal: Signal): void;
  /** Calls back with every message from the first on. */
  readWith(reader: (signal: Signal) => void): void;
}

/** What a connection is made with. */
export interface MemberOptions {
  readonly server: { readonly subscriberUrl: string; readonly ca: string };
  /** What peers know the client by. */
  readonly id: string;
  readonly version: 1 | 2;
}

/** Opens a connection; rejects when there is none to be had. */
export type Connect = (options: MemberOptions) => Promise<MemberConnection>;

export const overWebSocket: Connect = async ({ server, id, version }) => {
  const client = await SignallingClient.open(server, { id, v: String(version) });
  return {
    ended: client.ended.then(({ code }) => ({ ending: endingOf(code), code })),
    send: (signal) => client.send(signal),
    readWith: (reader) => client.readWith(reader),
    [Symbol.dispose]: () => client[Symbol.dispose](),
  };
};
