import type { Member } from "../hub/member.ts";

/**
 * Hears what becomes of channels, members and connections, each change once however many workers it
 * concerns. Nothing here waits or throws.
 *
 * The node tells it of itself. What observes several nodes as one stands between them and an observer
 * like this, which need not know.
 */
export interface NodeObserver {
  /** A channel has a first subscriber, or is about to. */
  opened(app: string, channel: string): void;
  /** The last subscriber of a channel is gone. */
  closed(app: string, channel: string): void;
  /** Of the node itself, not of others in its mesh. */
  joined(app: string, channel: string, member: Readonly<Member>): void;
  left(app: string, channel: string, member: Readonly<Member>): void;
  /** Only of apps whose workers tell of their connections. */
  connected(app: string, connection: string, user: string | undefined): void;
  disconnected(app: string, connection: string, user: string | undefined): void;
}

/** Where nobody wants to hear anything. */
export const nobodyObserves: NodeObserver = {
  opened() {},
  closed() {},
  joined() {},
  left() {},
  connected() {},
  disconnected() {},
};
