import { WireError } from "../broker/ipc/wire-error.ts";

/** What another node says, as far as it is what was agreed on. */
export type Fields = Readonly<Record<string, unknown>>;

/** @throws WireError when it is something else; so do all others here */
export function fieldsOf(value: unknown): Fields {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new WireError("a node says something else than it should");
  }
  return value as Fields;
}

export function textIn(fields: Fields, name: string): string {
  const value = fields[name];
  if (typeof value === "string") return value;
  throw new WireError(`${name} is no text`);
}

/** A whole number of at least 0. */
export function countIn(fields: Fields, name: string): number {
  const value = fields[name];
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value;
  throw new WireError(`${name} is no count`);
}

export function listIn(fields: Fields, name: string): readonly unknown[] {
  const value = fields[name];
  if (Array.isArray(value)) return value;
  throw new WireError(`${name} is no list`);
}
