import type { Health } from "./health.ts";

/** Where both ports tell whether they are ready. */
export const READY_PATH = "/ready";

/** 200 `ready`, or 503 with every reason why not, as text. */
export function readiness(health: Health): Response {
  const { reasons } = health;
  const headers = { "content-type": "text/plain; charset=utf-8", "cache-control": "no-store" };
  return reasons.length === 0
    ? new Response("ready", { headers })
    : new Response(reasons.join("; "), { status: 503, headers });
}

/** The answer; while draining it ends its connection, so that the next request goes elsewhere. */
export function closing(health: Health, answer: Response): Response {
  if (health.isDraining) answer.headers.set("connection", "close");
  return answer;
}
