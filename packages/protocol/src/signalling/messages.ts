/**
 * The signals of the signalling protocol, versions 1 and 2, in both directions.
 *
 * `docs/protocol/signalling.md` is their specification. Members that a version 1 message never
 * carries are marked; a decoder for version 1 does not see them.
 */

/** 1: what the published presence client speaks. 2: 1 and more, for who asks with `v=2`. */
export type SignalVersion = 1 | 2;

/** The signals about peers, which both versions share. */
export type PeerOp = "channel_join" | "peer_online" | "peer_state" | "peer_offline";

/** What a client may put into `op`. */
export type ClientOp = PeerOp | "subscribe" | "unsubscribe" | "ping" | "auth";

/** What a server may put into `op`. */
export type ServerOp = PeerOp | "ack" | "error" | "snapshot" | "pong" | "notice";

/** Where a stream stands. */
export interface Position {
  /** Epoch: names the stream that `off` counts in. Version 2. */
  readonly ep?: string;
  /** Offset of the last publication seen. Version 2. */
  readonly off?: number;
}

/** What of a channel's history a client wants: what came behind a position, or the last publications. */
export interface Wanted extends Position {
  /** How many of the last ones, where no position is given. Version 2. */
  readonly last?: number;
}

/** A request of version 2; the answer repeats its `id`. */
export interface Request {
  /** Number of the request, 0 to 4,294,967,295, chosen by the client. Version 2. */
  readonly id?: number;
}

/** What is said about a channel, by or about a peer. */
interface AboutPeer {
  /** Channel. */
  readonly c: string;
  /** Client id of the peer; empty where it speaks of none. */
  readonly p: string;
  /** Payload, as it came: a view of the received message after decoding. */
  readonly pl?: Uint8Array;
}

interface Relayed extends AboutPeer {
  /** Mesh node that it came through. */
  readonly mesh?: string;
}

export interface ClientJoin extends AboutPeer, Request, Wanted {
  readonly t: "control";
  readonly op: "channel_join";
}

/** `peer_state` with a `p` renames the sender; any other `p` of a client means nothing. */
export interface ClientPeerSignal extends AboutPeer, Request {
  readonly t: "control";
  readonly op: "peer_online" | "peer_state" | "peer_offline";
}

/** A publication; with an `id` it is acknowledged. */
export interface ClientData extends AboutPeer, Request {
  readonly t: "data";
}

/** Asks for the `data` of a channel without becoming a member. Version 2. */
export interface Subscribe extends Request, Wanted {
  readonly t: "control";
  readonly op: "subscribe";
  readonly c: string;
}

/** Version 2. */
export interface Unsubscribe extends Request {
  readonly t: "control";
  readonly op: "unsubscribe";
  readonly c: string;
}

/** Version 2. */
export interface Ping extends Request {
  readonly t: "control";
  readonly op: "ping";
  /** The client's clock, in milliseconds since the Unix epoch; for statistics only. */
  readonly ts?: number;
}

/** Puts a fresh token in the place of the one that runs out. Version 2. */
export interface Auth extends Request {
  readonly t: "control";
  readonly op: "auth";
  readonly tk: string;
}

/** Everything that a client may send. */
export type ClientSignal =
  | ClientJoin
  | ClientPeerSignal
  | ClientData
  | Subscribe
  | Unsubscribe
  | Ping
  | Auth;

export interface ServerPeerSignal extends Relayed {
  readonly t: "control";
  readonly op: PeerOp;
}

export interface ServerData extends Relayed {
  readonly t: "data";
  /** Offset in the channel's stream, where clients may recover. Version 2. */
  readonly off?: number;
}

/** The request `id` was carried out. Version 2. */
export interface Ack extends Position {
  readonly t: "control";
  readonly op: "ack";
  readonly id: number;
  readonly c?: string;
  /** Whether everything since the position asked for follows. */
  readonly rec?: boolean;
}

/** A request or a message was refused; the connection lives. Version 2. */
export interface ErrorSignal extends Request {
  readonly t: "control";
  readonly op: "error";
  readonly c?: string;
  /** A code of the catalogue in `errors.ts`. */
  readonly code: number;
  readonly msg: string;
}

/** One member of a channel in a snapshot. */
export interface SnapshotMember {
  readonly p: string;
  /** State; absent while it is not known. */
  readonly pl?: Uint8Array;
  /** When it joined, in milliseconds since the Unix epoch. */
  readonly since: number;
}

/** Who is in a channel, for a newcomer. Version 2. */
export interface Snapshot {
  readonly t: "control";
  readonly op: "snapshot";
  readonly c: string;
  readonly ms: readonly SnapshotMember[];
  /** Another page of the same snapshot follows. */
  readonly more?: true;
}

/** Version 2. */
export interface Pong extends Request {
  readonly t: "control";
  readonly op: "pong";
  /** The server's clock, in milliseconds since the Unix epoch. */
  readonly ts: number;
}

/** The server will close this connection unless something changes. Version 2. */
export interface Notice {
  readonly t: "control";
  readonly op: "notice";
  /** The close code that will be used, from `close-codes.ts`. */
  readonly code: number;
  readonly msg: string;
  /** When it will be closed, in milliseconds since the Unix epoch. */
  readonly ts: number;
}

/** Everything that a server may send. */
export type ServerSignal =
  | ServerPeerSignal
  | ServerData
  | Ack
  | ErrorSignal
  | Snapshot
  | Pong
  | Notice;
