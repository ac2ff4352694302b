import type { CloseName } from "@starling/protocol/close-codes.ts";
import type { MessageSocket } from "../ports.ts";
import type { BagMember } from "./bag.ts";
import type { Channel } from "./channel.ts";
import type { OneOrMany } from "./one-or-many.ts";
import type { Publication } from "./publication.ts";

/** One transport message, encoded and ready to send. */
export type Frame = string | Uint8Array;

/** How a publication looks on the wire of one protocol; one object for each protocol. */
export interface WireFormat {
  /** Short and unique among formats; part of the native topic's name. */
  readonly id: string;
  /**
   * The frames of one publication, sent one after the other; called once for each publication.
   * None when the protocol cannot carry it.
   */
  encode(publication: Publication): readonly Frame[];
}

/** A connection as the hub sees it. */
export interface Subscriber extends BagMember {
  /** Channels it is in; the hub's own note, kept here so that it costs no map of its own. */
  channels: OneOrMany<Channel>;
  /** Unique among all connections. */
  readonly id: string;
  readonly app: string;
  /** The user it speaks for, if it gave one. */
  readonly user: string | undefined;
  readonly format: WireFormat;
  /** Where native fan-out reaches it; undefined while it is served frame by frame (polling). */
  readonly socket: MessageSocket | undefined;
  /**
   * Takes frames that native fan-out does not carry to it; `id` is that of the publication that they
   * are of, where it has one, and `offset` its place where the channel keeps history. `publication` is for
   * whoever has to encode it anew.
   */
  deliver(frames: readonly Frame[], id?: number, offset?: number, publication?: Publication): void;
  /** Whether a frame handed over now would leave at once rather than wait in a queue. */
  isReady(): boolean;
  /** Stops the flow to a connection that lost a frame, tells it and ends it. */
  cutSlow(): void;
  /** Ends the connection in the way that makes its client connect again. */
  close(reason: CloseName): void;
  /** Ends the connection for good. */
  disconnect(reason: CloseName): void;
}
