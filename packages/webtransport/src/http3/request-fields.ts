import type { Field } from "../qpack/static-table.ts";
import { Http3Error } from "./errors.ts";

/** The fields of a request that has been found in order: RFC 9114, section 4.3.1. */
export interface RequestFields {
  readonly method: string;
  /** Undefined for a plain CONNECT, like `path`. */
  readonly scheme: string | undefined;
  readonly authority: string | undefined;
  readonly path: string | undefined;
  /** What an extended CONNECT is for (RFC 9220). */
  readonly protocol: string | undefined;
  /** All others, in the order in which they came; a name may come more than once. */
  readonly headers: readonly Field[];
}

const PSEUDO_FIELDS: ReadonlySet<string> = new Set([
  ":method",
  ":scheme",
  ":authority",
  ":path",
  ":protocol",
]);

/** Fields about a connection, which HTTP/3 has not: RFC 9114, section 4.2. */
const CONNECTION_FIELDS: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "transfer-encoding",
  "upgrade",
]);

/** A token (RFC 9110, section 5.6.2) without upper case. */
const NAME = /^[!#$%&'*+.^_`|~0-9a-z-]+$/;
/** Visible characters and octets above them, with blanks in between: RFC 9110, section 5.5. */
const VALUE = /^(?:[!-~\x80-\xff](?:[\t -~\x80-\xff]*[!-~\x80-\xff])?)?$/;

/** Bytes that each field counts beside its name and value: RFC 9114, section 4.2.2. */
const FIELD_OVERHEAD = 32;

/** Whether a field may stand in a message. */
export function isFieldValid([name, value]: Field): boolean {
  return NAME.test(name) && !CONNECTION_FIELDS.has(name) && VALUE.test(value);
}

/** The size of fields as RFC 9114, section 4.2.2, counts it. */
export function fieldSectionSize(fields: readonly Field[]): number {
  let size = 0;
  for (const [name, value] of fields) size += name.length + value.length + FIELD_OVERHEAD;
  return size;
}

/**
 * Takes a request apart.
 *
 * @throws Http3Error with H3_MESSAGE_ERROR when it is malformed (RFC 9114, section 4.1.2)
 */
export function readRequestFields(fields: readonly Field[]): RequestFields {
  const pseudo = new Map<string, string>();
  const headers: Field[] = [];
  for (const field of fields) {
    const [name, value] = field;
    if (!name.startsWith(":")) {
      if (!isFieldValid(field)) throw malformed(`the field ${JSON.stringify(name)}`);
      if (name === "te" && value !== "trailers") throw malformed("the field te");
      headers.push(field);
    } else {
      if (!PSEUDO_FIELDS.has(name) || pseudo.has(name) || headers.length > 0) {
        throw malformed(`${JSON.stringify(name)} is unknown, comes twice, or late`);
      }
      if (!VALUE.test(value) || value === "") throw malformed(`the value of ${name}`);
      pseudo.set(name, value);
    }
  }
  return inOrder({
    method: pseudo.get(":method") ?? "",
    scheme: pseudo.get(":scheme"),
    authority: pseudo.get(":authority"),
    path: pseudo.get(":path"),
    protocol: pseudo.get(":protocol"),
    headers,
  });
}

function inOrder(request: RequestFields): RequestFields {
  const { method, scheme, authority, path, protocol, headers } = request;
  if (!NAME.test(method.toLowerCase())) throw malformed("its method");
  if (method === "CONNECT" && protocol === undefined) {
    if (scheme !== undefined || path !== undefined || authority === undefined) {
      throw malformed("CONNECT has an authority, no scheme and no path");
    }
    return request;
  }
  if (protocol !== undefined && method !== "CONNECT") throw malformed(":protocol without CONNECT");
  if (scheme === undefined || path === undefined) throw malformed("a scheme or path is missing");
  const hosts = headers.filter(([name]) => name === "host").map(([, value]) => value);
  if (authority === undefined && hosts.length === 0) throw malformed("an authority is missing");
  if (hosts.length > 1 || (authority ?? hosts[0]) !== (hosts[0] ?? authority)) {
    throw malformed("the field host differs from the authority");
  }
  if (!path.startsWith("/") && !(method === "OPTIONS" && path === "*")) throw malformed("its path");
  return request;
}

function malformed(what: string): Http3Error {
  return new Http3Error("H3_MESSAGE_ERROR", `malformed request: ${what}`);
}
