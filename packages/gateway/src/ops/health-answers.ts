import type { OriginPolicy } from "../listeners/origin-policy.ts";
import type { Endpoint } from "../listeners/subscriber-listener.ts";
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

/** The same for pages that may connect, which find the nearest node by it. */
export function readyEndpoint(health: Health, origins: OriginPolicy): Endpoint {
  return {
    fetch(request) {
      const answer = readiness(health);
      const headers = origins.allows(request) ? origins.headers(request) : {};
      for (const [name, value] of Object.entries(headers)) answer.headers.set(name, value);
      return answer;
    },
  };
}

/** The answer; while draining it ends its connection, so that the next request goes elsewhere. */
export function closing(health: Health, answer: Response): Response {
  if (health.isDraining) answer.headers.set("connection", "close");
  return answer;
}
