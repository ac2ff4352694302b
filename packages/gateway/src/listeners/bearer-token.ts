import { bearerTokenOf } from "@starling/core/auth/bearer-token.ts";

/** The token of an `Authorization: Bearer` header; undefined without one. */
export function bearerToken(headers: Headers): string | undefined {
  return bearerTokenOf(headers.get("authorization"));
}
