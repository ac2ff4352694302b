export const hookEventTypes = [
  "occupied",
  "vacated",
  "join",
  "leave",
  "connect",
  "disconnect",
] as const;

export type HookEventType = (typeof hookEventTypes)[number];

/** Something that a receiver may want to hear of. */
export type HookEvent =
  /** A channel has its first subscriber; nobody has been subscribed to it for a while. */
  | {
      readonly type: "occupied" | "vacated";
      readonly app: string;
      readonly channel: string;
    }
  /** A connection is, or is no more, a member of a channel. */
  | {
      readonly type: "join" | "leave";
      readonly app: string;
      readonly channel: string;
      readonly connection: string;
      readonly clientId: string;
      readonly user: string | undefined;
    }
  | {
      readonly type: "connect" | "disconnect";
      readonly app: string;
      readonly connection: string;
      readonly user: string | undefined;
    };

/** The JSON text of an event, as every hook sends it; `time` is in ms since the Unix epoch. */
export function encodeHookEvent(event: HookEvent, id: string, time: number): string {
  const { type, app: _ofTheBatch, ...rest } = event;
  // JSON has no undefined, and a field that is sometimes absent is easily overlooked.
  const user = "user" in event ? { user: event.user ?? null } : {};
  return JSON.stringify({ id, type, time, ...rest, ...user });
}
