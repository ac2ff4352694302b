const SCHEME = "bearer ";

/** The token of an `Authorization: Bearer` header (RFC 6750 section 2.1); undefined without one. */
export function bearerToken(headers: Headers): string | undefined {
  const header = headers.get("authorization");
  if (header === null || header.slice(0, SCHEME.length).toLowerCase() !== SCHEME) return undefined;
  return header.slice(SCHEME.length).trim();
}
