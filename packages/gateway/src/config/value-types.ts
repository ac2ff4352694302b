import { isIP } from "node:net";
import { DEFAULT_APP } from "@starling/core/hub/namespace.ts";
import { AddressList } from "@starling/core/limits/address-list.ts";
import {
  MAX_ADDRESS_CHARACTERS,
  MAX_ADDRESSES,
  MAX_REGION_CHARACTERS,
} from "@starling/core/mesh-directory/notice.ts";
import { z } from "zod";
import { NAME, NAME_RULE, PUBLIC_KEY, PUBLIC_KEY_RULE } from "./names.ts";

/**
 * A setting as text, turned into its value; the schema's description completes the sentence
 * "must be ...", for messages and for the reference.
 */
export type ValueType<T> = z.ZodType<T, string>;

/** A reason of its own, said before what is allowed. */
class Refusal {
  readonly reason: string;

  constructor(reason: string) {
    this.reason = reason;
  }
}

/** A value type from a function that answers the value or why the text is refused. */
function parsed<T>(allowed: string, parse: (text: string) => T | Refusal): ValueType<T> {
  return z
    .string()
    .transform((text, context): T => {
      const value = parse(text);
      if (!(value instanceof Refusal)) return value;
      context.addIssue({ code: "custom", message: value.reason });
      return z.NEVER;
    })
    .describe(allowed);
}

/** A whole number in decimal digits; `of` names what it counts. */
export function wholeNumber(min: number, max: number, of = "a whole number"): ValueType<number> {
  return z
    .string()
    .regex(/^\d{1,15}$/)
    .transform(Number)
    .pipe(z.number().min(min).max(max))
    .describe(`${of} from ${min} to ${max}`);
}

export function port(): ValueType<number> {
  return wholeNumber(0, 65_535, "a port number");
}

export function flag(): ValueType<boolean> {
  return z
    .enum(["0", "1"])
    .transform((text) => text === "1")
    .describe("0 or 1");
}

export function oneOf<const T extends string>(choices: readonly T[]): ValueType<T> {
  return z.enum(choices).describe(`one of ${choices.join(", ")}`);
}

/** Text that is taken as it is. */
export function anyText(allowed: string): ValueType<string> {
  return z.string().describe(allowed);
}

/** The name of a node, which can stand in a header field (RFC 9110 section 5.5), and in JSON as it is. */
export function nodeId(): ValueType<string> {
  return z
    .string()
    .regex(/^[\x21-\x7e]{1,64}$/)
    .describe("1 to 64 printable ASCII characters, without spaces");
}

/** What `NODE_ENV` takes; a misspelt `production` must not quietly be development. */
export function mode(): ValueType<string> {
  return parsed("production, or anything else for development", (text) => {
    const isMeant = /^\s*prod/i.test(text);
    return isMeant && text !== "production" ? new Refusal("looks like production") : text;
  });
}

/** A file or folder; the loader makes it absolute. */
export function path(allowed: string): ValueType<string> {
  return parsed(allowed, (text) => (text.includes("\0") ? new Refusal("has a zero byte") : text));
}

const HOST_NAME =
  /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/i;

/** An address to listen on. */
export function host(): ValueType<string> {
  return parsed("an IPv4 address, an IPv6 address without brackets or a host name", (text) => {
    const wellFormed = isIP(text) !== 0 || (HOST_NAME.test(text) && !/^[\d.]+$/.test(text));
    return wellFormed ? text : new Refusal("is neither an address nor a host name");
  });
}

/** What `CLUSTER_INSTANCES` takes; the text stays as it was written. */
export function instances(): ValueType<string> {
  return parsed(
    "a whole number of processes, max or 0 (one for each core), or a negative number (one for each core but that many)",
    (text) => (/^(max|-?\d{1,4})$/.test(text) ? text : new Refusal("is no number of processes")),
  );
}

/** A regular expression in the syntax of JavaScript, without slashes and flags. */
export function pattern(): ValueType<RegExp> {
  return parsed("a regular expression of JavaScript, without slashes and flags", (text) => {
    try {
      return new RegExp(text);
    } catch (error) {
      return new Refusal(error instanceof Error ? error.message : "is no regular expression");
    }
  });
}

/** A comma list; blanks around entries and empty entries are dropped. */
function list<T>(
  allowed: string,
  entry: (text: string, position: number) => T | Refusal,
): ValueType<readonly T[]> {
  return parsed(`${allowed}, separated by commas`, (text) => {
    const values: T[] = [];
    const reasons: string[] = [];
    const entries = text.split(",").map((part) => part.trim());
    for (const [index, part] of entries.filter((part) => part !== "").entries()) {
      const value = entry(part, index + 1);
      if (value instanceof Refusal) reasons.push(value.reason);
      else values.push(value);
    }
    return reasons.length > 0 ? new Refusal(reasons.join("; ")) : values;
  });
}

/** Addresses and CIDR ranges (RFC 4632 section 3.1, RFC 4291 section 2.3). */
export function addressList(): ValueType<readonly string[]> {
  return list("IPv4 and IPv6 addresses or CIDR ranges such as 10.0.0.0/8", (text) =>
    isAddressOrRange(text) ? text : new Refusal(`"${text}" is neither an address nor a CIDR range`),
  );
}

/** The list that checks addresses later decides what is one. */
function isAddressOrRange(text: string): boolean {
  try {
    AddressList.parse([text]);
    return true;
  } catch {
    return false;
  }
}

/** Origins in the form that browsers send (RFC 6454 section 6.2), or `*` for any. */
export function originList(): ValueType<readonly string[]> {
  return list("origins such as https://example.org, or * for any", originOf);
}

const ORIGIN = /^[a-z][a-z0-9+.-]*:\/\/[^/?#@\s]+$/i;

function originOf(text: string): string | Refusal {
  if (text === "*") return text;
  const url = URL.parse(text);
  if (url !== null && /^https?:$/.test(url.protocol)) {
    if (ORIGIN.test(text)) return url.origin;
    return new Refusal(`"${text}" is not an origin; its origin is ${url.origin}`);
  }
  // Pages of browser extensions and packaged apps have schemes of their own.
  if (url !== null && ORIGIN.test(text)) return text.toLowerCase();
  return new Refusal(`"${text}" is not an origin`);
}

/** Secrets in a comma list; a refusal says which entry it means, never what the entry is. */
export function keyList(minLength: number): ValueType<readonly string[]> {
  return list(`keys of at least ${minLength} characters`, (text, position) =>
    text.length >= minLength
      ? text
      : new Refusal(`entry ${position} is shorter than ${minLength} characters`),
  );
}

/** One secret; a refusal never says what it is. */
export function secretText(minBytes: number): ValueType<string> {
  return parsed(`text of at least ${minBytes} bytes that is hard to guess`, (text) => {
    const { byteLength } = new TextEncoder().encode(text);
    return byteLength >= minBytes ? text : new Refusal(`has ${byteLength} bytes`);
  });
}

/** Public keys with their apps, `key:app` or `key` for the default app. */
export function publicKeyList(): ValueType<ReadonlyMap<string, string>> {
  const allowed = "public keys with their apps such as k1:shop, or without one for default";
  return list(allowed, keyAndApp)
    .transform((entries, context) => {
      const keys = new Map(entries);
      for (const [key, app] of entries) {
        if (keys.get(key) === app) continue;
        context.addIssue({ code: "custom", message: `"${key}" has two apps` });
      }
      return keys;
    })
    .describe(`${allowed}, separated by commas`);
}

function keyAndApp(text: string): readonly [key: string, app: string] | Refusal {
  const [key = "", app = DEFAULT_APP, ...rest] = text.split(":");
  if (!PUBLIC_KEY.test(key)) return new Refusal(`"${text}": ${PUBLIC_KEY_RULE}`);
  if (!NAME.test(app) || rest.length > 0) return new Refusal(`"${text}": ${NAME_RULE}`);
  return [key, app];
}

/** The address of another server, which may be inside the operator's own network. */
export function httpAddress(): ValueType<string> {
  return parsed("an address that begins with https:// or http://", (text) => {
    const url = URL.parse(text);
    if (url === null || !/^https?:$/.test(url.protocol)) return new Refusal("is no such address");
    if (url.username !== "" || url.password !== "") {
      return new Refusal("holds a user name or a password");
    }
    return url.href;
  });
}

/** Origins of the subscribers' port, as clients are told them. */
export function clientAddresses(): ValueType<readonly string[]> {
  const allowed = `at most ${MAX_ADDRESSES} origins such as https://eu.example.org:8443`;
  return list(allowed, (text) => {
    const url = URL.parse(text);
    if (url?.protocol !== "https:" || text.length > MAX_ADDRESS_CHARACTERS || !ORIGIN.test(text)) {
      return new Refusal(`"${text}" is no origin that begins with https://`);
    }
    return url.origin;
  })
    .refine((addresses) => addresses.length <= MAX_ADDRESSES, "are too many")
    .describe(`${allowed}, separated by commas`);
}

export function region(): ValueType<string> {
  return parsed("letters, digits, `_`, `-` and `.`", (text) =>
    /^[\w.-]+$/.test(text) && text.length <= MAX_REGION_CHARACTERS
      ? text
      : new Refusal(`has other characters, or more than ${MAX_REGION_CHARACTERS}`),
  );
}

/** Addresses of NATS servers; a refusal never says what they are, since they may hold a password. */
export function natsServers(): ValueType<readonly URL[]> {
  return list("addresses such as nats://host:4222 or tls://host:4222", (text, position) => {
    const url = URL.parse(text.includes("://") ? text : `nats://${text}`);
    const isServer = url !== null && /^(nats|tls):$/.test(url.protocol) && url.hostname !== "";
    return isServer ? url : new Refusal(`entry ${position} is no such address`);
  });
}

export function natsPrefix(): ValueType<string> {
  return parsed("letters, digits, `_` and `-`", plainName);
}

/** A domain becomes a token of subjects, too. */
export function natsDomain(): ValueType<string> {
  return parsed("the name of a domain: letters, digits, `_` and `-`", plainName);
}

function plainName(text: string): string | Refusal {
  return /^[\w-]{1,64}$/.test(text)
    ? text
    : new Refusal("has other characters, none, or more than 64");
}
