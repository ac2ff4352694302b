import type { Random } from "@starling/core/ports.ts";
import { fraction } from "@starling/core/random-fraction.ts";
import { closeCatalogue } from "@starling/protocol/close-codes.ts";
import { errorBody, type StarlingError } from "@starling/protocol/errors.ts";

/** How long an `EventSource` waits before it connects again, in milliseconds. */
export const RETRY_MS = 3_000;
/** The same where it was refused, chosen at random so that not all come back together. */
const SHORTEST_REFUSED_MS = 5_000;
const LONGEST_REFUSED_MS = 15_000;

/**
 * The answer to a stream that is refused. Where another attempt may succeed, whoever asks for event
 * streams gets one that says why and ends: an `EventSource` comes back after that, but gives up for
 * good at any status but 200 (WHATWG HTML, section 9.2.2).
 */
export function refusedStream(
  request: Request,
  error: StarlingError,
  random: Random,
  headers: Record<string, string>,
): Response {
  const isTemporary = error.status === 429 || error.status === 503;
  if (!isTemporary || !asksForEvents(request)) {
    return Response.json(errorBody(error), { status: error.status, headers });
  }
  const isStopping = error.errorName === "shutting_down";
  const { code, reason } = isStopping
    ? closeCatalogue.shutting_down
    : { code: error.code, reason: error.message };
  // Another server takes over from one that stops, now.
  const retryMs = isStopping ? RETRY_MS : refusedMs(random);
  const data = JSON.stringify({ code, reason });
  return new Response(`event: starling:close\ndata: ${data}\nretry: ${retryMs}\n\n`, {
    headers: { ...headers, "content-type": "text/event-stream", "cache-control": "no-store" },
  });
}

/** As every `EventSource` does; `curl` and other clients of HTTP are told by the status. */
function asksForEvents(request: Request): boolean {
  return /\btext\/event-stream\b/i.test(request.headers.get("accept") ?? "");
}

function refusedMs(random: Random): number {
  const longerMs = fraction(random) * (LONGEST_REFUSED_MS - SHORTEST_REFUSED_MS);
  return Math.round(SHORTEST_REFUSED_MS + longerMs);
}
