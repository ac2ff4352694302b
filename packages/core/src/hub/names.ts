/** UTF-16 units that the name of a channel or an event may have. */
export const MAX_NAME_LENGTH = 255;

/** UTF-16 code units but for the control characters C0, DEL and C1. */
export const NO_CONTROL_CHARACTERS = /^[ -~\u00a0-\uffff]*$/;

/** What is wrong with the name of a channel or an event; undefined when nothing is. */
export function nameFault(name: unknown): string | undefined {
  if (typeof name !== "string") return "must be a string";
  if (name.length === 0) return "must not be empty";
  if (name.length > MAX_NAME_LENGTH) return `must have at most ${MAX_NAME_LENGTH} characters`;
  if (!NO_CONTROL_CHARACTERS.test(name)) return "must not contain control characters";
  return name.isWellFormed() ? undefined : "must be well-formed Unicode";
}

/** Event names that Socket.IO clients take for a broken protocol, upon which they disconnect. */
export const RESERVED_EVENTS: ReadonlySet<string> = new Set([
  "connect",
  "connect_error",
  "disconnect",
  "disconnecting",
  "newListener",
  "removeListener",
]);
