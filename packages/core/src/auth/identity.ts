import { nameFault } from "../hub/names.ts";
import { ChannelPattern, MAX_PATTERNS } from "./channel-pattern.ts";

/** What a client may want to do in a channel. */
export type ChannelAction = "subscribe" | "publish" | "presence";

export const channelActions = [
  "subscribe",
  "publish",
  "presence",
] as const satisfies readonly ChannelAction[];

/** For each action the channels that a token, or the webhook, grants it in. */
export type Permissions = Readonly<Record<ChannelAction, readonly ChannelPattern[]>>;

/** What a connection proved who it is with; `none` proved nothing. */
export type IdentitySource = "key" | "jwt" | "webhook" | "rotating" | "none";

/** Who a connection is, and what it was granted. */
export interface Identity {
  readonly app: string;
  readonly user?: string | undefined;
  readonly permissions?: Permissions | undefined;
  /** The moment at which the connection must have proved itself anew, ms since the epoch. */
  readonly expiresAt?: number | undefined;
  readonly source: IdentitySource;
}

/**
 * Whether somebody with a secret answers for the connection. A public key stands in the source of
 * a page, so that alone it proves nothing of who uses it.
 */
export function isAuthenticated({ source }: Identity): boolean {
  return source === "jwt" || source === "webhook" || source === "rotating";
}

/**
 * Permissions from their JSON form, `{subscribe?: [...], publish?: [...], presence?: [...]}` with
 * channel patterns; other keys are ignored.
 *
 * @throws RangeError that says what is wrong with the value.
 */
export function readPermissions(value: unknown): Permissions {
  if (!isRecord(value)) throw new RangeError("permissions must be an object");
  return {
    subscribe: readPatterns(value, "subscribe"),
    publish: readPatterns(value, "publish"),
    presence: readPatterns(value, "presence"),
  };
}

/**
 * A user id that somebody with a secret gave.
 *
 * @throws RangeError that says what is wrong with the value.
 */
export function readUser(value: unknown): string {
  const fault = nameFault(value);
  if (typeof value !== "string" || fault !== undefined) {
    throw new RangeError(`a user id ${fault ?? "must be a string"}`);
  }
  return value;
}

/** A JSON object, as opposed to every other value. */
export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function readPatterns(
  value: Readonly<Record<string, unknown>>,
  action: ChannelAction,
): readonly ChannelPattern[] {
  const list = value[action] ?? [];
  if (!Array.isArray(list)) throw new RangeError(`${action} must be a list of channel patterns`);
  if (list.length > MAX_PATTERNS) {
    throw new RangeError(`${action} must have at most ${MAX_PATTERNS} channel patterns`);
  }
  return list.map((text: unknown, index) => {
    const fault = nameFault(text);
    if (typeof text !== "string" || fault !== undefined) {
      throw new RangeError(`${action}[${index}]: a channel pattern ${fault ?? "must be a string"}`);
    }
    return new ChannelPattern(text);
  });
}
