/** Which pages may connect; who comes without an `Origin` is no page. */
export class AllowedOrigins {
  /** Whether pages of every origin may. */
  readonly any: boolean;
  readonly #origins: ReadonlySet<string>;

  /** `*` among the origins allows all. Pages of the very host that was asked need no mention. */
  constructor(origins: readonly string[]) {
    this.#origins = new Set(origins.map((origin) => origin.toLowerCase()));
    this.any = this.#origins.has("*");
  }

  /** `host` is the host and port that the client asked for. */
  allows(origin: string | null, host: string | null): boolean {
    if (origin === null || this.any) return true;
    const asked = origin.toLowerCase();
    return this.#origins.has(asked) || (host !== null && hostOf(asked) === host.toLowerCase());
  }
}

/** What stands behind the scheme of an origin (RFC 6454 section 6.2), which is all of it. */
function hostOf(origin: string): string | undefined {
  const scheme = origin.indexOf("://");
  return scheme < 1 ? undefined : origin.slice(scheme + 3);
}
