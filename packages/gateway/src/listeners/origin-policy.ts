import { AllowedOrigins } from "@starling/core/limits/allowed-origins.ts";

/** Which pages may use the subscriber port; a request without `Origin` comes from no page. */
export class OriginPolicy {
  readonly #origins: AllowedOrigins;

  /** `*` among the origins allows all. Pages of the very host that was asked need no mention. */
  constructor(origins: readonly string[]) {
    this.#origins = new AllowedOrigins(origins);
  }

  allows({ headers }: Request): boolean {
    return this.#origins.allows(headers.get("origin"), headers.get("host"));
  }

  /** The CORS headers (Fetch standard, section 3.2) of an answer to an allowed request. */
  headers(request: Request): Record<string, string> {
    const origin = request.headers.get("origin");
    if (this.#origins.any) return { "access-control-allow-origin": "*" };
    if (origin === null) return { vary: "Origin" };
    return { "access-control-allow-origin": origin, vary: "Origin" };
  }

  /** The answer to a preflight request. */
  preflight(request: Request): Response {
    const headers: Record<string, string> = {
      ...this.headers(request),
      "access-control-allow-methods": "GET, POST",
      "access-control-max-age": "600",
    };
    const asked = request.headers.get("access-control-request-headers");
    if (asked !== null) headers["access-control-allow-headers"] = asked;
    return new Response(null, { status: 204, headers });
  }
}
