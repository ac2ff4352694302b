const SCHEME = "bearer ";

/** The token of an `Authorization: Bearer` header (RFC 6750 section 2.1); undefined without one. */
export function bearerTokenOf(authorization: string | null): string | undefined {
  if (authorization === null) return undefined;
  if (authorization.slice(0, SCHEME.length).toLowerCase() !== SCHEME) return undefined;
  return authorization.slice(SCHEME.length).trim();
}
