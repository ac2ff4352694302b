import { isRecord, type Permissions, readPermissions, readUser } from "./identity.ts";

/** What the webhook decided. */
export type WebhookVerdict =
  | {
      readonly accepted: true;
      readonly app: string | undefined;
      readonly user: string | undefined;
      readonly permissions: Permissions | undefined;
      /** Seconds for which the connection needs no further question; undefined is for ever. */
      readonly ttlSeconds: number | undefined;
    }
  | {
      readonly accepted: false;
      /** What the client is told; undefined is the catalogue's sentence. */
      readonly message: string | undefined;
    };

/** The webhook did not decide. */
export class WebhookFailure extends Error {
  /** Whether asking again may help: it could not be reached, was too slow or failed itself. */
  readonly isTransient: boolean;

  constructor(message: string, isTransient: boolean, options?: ErrorOptions) {
    super(message, options);
    this.name = "WebhookFailure";
    this.isTransient = isTransient;
  }
}

const MAX_MESSAGE_LENGTH = 200;
const MAX_TTL_SECONDS = 365 * 86_400;
const KEYS: ReadonlySet<string> = new Set(["app", "user", "permissions", "ttlSeconds"]);

/**
 * The verdict of an answer: 200 with a JSON object accepts, 401 and 403 refuse.
 *
 * An acceptance with a key that is not known is no verdict: it may be a misspelt restriction.
 *
 * @throws WebhookFailure
 */
export function readVerdict(status: number, body: string): WebhookVerdict {
  if (status === 401 || status === 403) return { accepted: false, message: messageOf(body) };
  if (status !== 200) throw new WebhookFailure(`it answered status ${status}`, status >= 500);
  const answer = objectOf(body);
  if (answer === undefined) throw new WebhookFailure("its answer is no JSON object", false);
  const unknown = Object.keys(answer).filter((key) => !KEYS.has(key));
  if (unknown.length > 0) {
    throw new WebhookFailure(`its answer has the unknown key ${JSON.stringify(unknown[0])}`, false);
  }
  const { app, user, permissions, ttlSeconds } = answer;
  try {
    return {
      accepted: true,
      app: optional(app, readApp),
      user: optional(user, readUser),
      permissions: optional(permissions, readPermissions),
      ttlSeconds: optional(ttlSeconds, readTtl),
    };
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw new WebhookFailure(`its answer is faulty: ${cause.message}`, false, { cause });
  }
}

function objectOf(body: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(body);
    return isRecord(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Many languages write a value that is not there as null. */
function optional<T>(value: unknown, read: (value: unknown) => T): T | undefined {
  return value === undefined || value === null ? undefined : read(value);
}

function readApp(value: unknown): string {
  if (typeof value !== "string" || value === "") throw new RangeError("app must be a name");
  return value;
}

function readTtl(value: unknown): number {
  if (typeof value !== "number" || !(value > 0 && value <= MAX_TTL_SECONDS)) {
    throw new RangeError(`ttlSeconds must be a number above 0 and up to ${MAX_TTL_SECONDS}`);
  }
  return value;
}

function messageOf(body: string): string | undefined {
  const { message } = objectOf(body) ?? {};
  if (typeof message !== "string") return undefined;
  const line = message.replaceAll(/\p{Cc}+/gu, " ").trim();
  return line === "" ? undefined : line.slice(0, MAX_MESSAGE_LENGTH).toWellFormed();
}
