/** UTF-16 units that the name of a channel or an event may have. */
export const MAX_NAME_LENGTH = 255;

/** What is wrong with the name of a channel or an event; undefined when nothing is. */
export function nameFault(name: unknown): string | undefined {
  if (typeof name !== "string") return "must be a string";
  if (name.length === 0) return "must not be empty";
  if (name.length > MAX_NAME_LENGTH) return `must have at most ${MAX_NAME_LENGTH} characters`;
  for (let index = 0; index < name.length; index++) {
    const unit = name.charCodeAt(index);
    if (unit < 0x20 || unit === 0x7f) return "must not contain control characters";
  }
  return undefined;
}
