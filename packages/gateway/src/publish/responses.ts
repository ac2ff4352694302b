import { errorBody, StarlingError } from "@starling/protocol/errors.ts";

const ok = { headers: new Headers({ "content-type": "application/json" }) };

/** A 200 answer with a body that is JSON text already. */
export function jsonText(text: string): Response {
  return new Response(text, ok);
}

export function json(body: object): Response {
  return new Response(JSON.stringify(body), ok);
}

export function plainText(text: string, status = 200): Response {
  return new Response(text, { status, headers: { "content-type": "text/plain; charset=utf-8" } });
}

/** A refusal as JSON, with what HTTP wants in its headers. */
export function refusal(error: StarlingError): Response {
  const headers = new Headers(ok.headers);
  if (error instanceof RateLimited) {
    headers.set("retry-after", String(Math.max(1, Math.ceil(error.retryAfterMs / 1000))));
  }
  if (error.errorName === "broker_unavailable") headers.set("retry-after", "1");
  if (error instanceof MethodNotAllowed) headers.set("allow", error.allow);
  if (error.errorName === "unauthorized") headers.set("www-authenticate", "Bearer");
  return new Response(JSON.stringify(errorBody(error)), { status: error.status, headers });
}

/** `rate_limited` that knows when to come back (RFC 9110 section 10.2.3). */
export class RateLimited extends StarlingError {
  readonly retryAfterMs: number;

  constructor(retryAfterMs: number) {
    super("rate_limited");
    this.retryAfterMs = retryAfterMs;
  }
}

/** `method_not_allowed` that knows what is allowed (RFC 9110 section 15.5.6). */
export class MethodNotAllowed extends StarlingError {
  readonly allow: string;

  constructor(methods: readonly string[]) {
    const allow = methods.join(", ");
    super("method_not_allowed", `this address takes ${allow}`);
    this.allow = allow;
  }
}
