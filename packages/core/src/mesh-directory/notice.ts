/** What a node says of itself to the other nodes. */
export interface NodeNotice {
  /** Where it is, in the words of whoever runs it; absent where they have none. */
  readonly region?: string;
  /** Origins at which clients reach it. */
  readonly addresses: readonly string[];
  readonly connections: number;
  /** Share of the CPU time that its workers could have used in the last seconds, from 0 to 1. */
  readonly load: number;
  readonly draining: boolean;
  /** Connections to NATS that it has, and those of them that are up. */
  readonly links: number;
  readonly linksUp: number;
  /** Milliseconds that the slowest of them is behind; absent where nothing is known. */
  readonly lagMs?: number;
}

/** Bounds of what is believed of another node: what clients are told of it is a multiple of that. */
export const MAX_ADDRESSES = 4;
export const MAX_ADDRESS_CHARACTERS = 200;
export const MAX_REGION_CHARACTERS = 64;

/** As JSON text. */
export function encodeNotice(notice: NodeNotice): string {
  return JSON.stringify(notice);
}

/** Undefined where the text is no notice; members that are not known are left out. */
export function decodeNotice(text: string): NodeNotice | undefined {
  const { region, addresses, connections, load, draining, links, linksUp, lagMs } = fieldsOf(text);
  if (!isCount(connections) || !isCount(links) || !isCount(linksUp)) return undefined;
  if (typeof load !== "number" || typeof draining !== "boolean") return undefined;
  if (!Array.isArray(addresses) || addresses.length > MAX_ADDRESSES) return undefined;
  if (!addresses.every((each) => isText(each, MAX_ADDRESS_CHARACTERS))) return undefined;
  return {
    ...(isText(region, MAX_REGION_CHARACTERS) ? { region } : {}),
    ...{ addresses, connections, draining, links, linksUp },
    load: Math.min(1, Math.max(0, load)),
    ...(isCount(lagMs) ? { lagMs } : {}),
  };
}

function fieldsOf(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? { ...value } : {};
  } catch {
    return {};
  }
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

function isText(value: unknown, maxCharacters: number): value is string {
  return typeof value === "string" && value.length <= maxCharacters;
}
