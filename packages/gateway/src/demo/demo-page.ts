import clientBundle from "socket.io-client/dist/socket.io.js" with { type: "text" };
import { queryOf } from "../listeners/request-url.ts";
import type { Endpoint } from "../listeners/subscriber-listener.ts";
import { DEMO_CHANNEL } from "./curl-line.ts";
import styles from "./demo.css" with { type: "text" };
import page from "./demo.html" with { type: "text" };
import script from "./demo.js" with { type: "text" };
import eventList from "./event-list.js" with { type: "text" };
import icon from "./icon.svg" with { type: "text" };

export interface DemoOptions {
  /** A command for a POSIX shell that publishes an event in `channel`; asked at each request. */
  curlLine(channel: string): string;
  /**
   * The host at which a page of `localhost` finds WebTransport, where the gateway serves it; asked at
   * each request.
   */
  webTransportHost(): string | undefined;
}

const JAVASCRIPT = "text/javascript; charset=utf-8";

/** Nothing from elsewhere, nothing inline, and no text may become markup. */
const CONTENT_SECURITY_POLICY = [
  "default-src 'self'",
  // A page of localhost has to name this address for WebTransport.
  "connect-src 'self' https://127.0.0.1:*",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "object-src 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join("; ");

/** The demo page and what it loads, by path; a page for development, never for production. */
export function demoEndpoints(options: DemoOptions): ReadonlyMap<string, Endpoint> {
  // The types of Bun know an imported page only as something to bundle.
  const html = file(String(page), "text/html; charset=utf-8");
  return new Map([
    ["/demo", html],
    ["/demo/", html],
    ["/demo/demo.css", file(styles, "text/css; charset=utf-8")],
    ["/demo/demo.js", file(script, JAVASCRIPT)],
    ["/demo/event-list.js", file(eventList, JAVASCRIPT)],
    ["/demo/icon.svg", file(icon, "image/svg+xml")],
    ["/demo/socket.io.js", file(clientBundle, JAVASCRIPT)],
    ["/demo/config.json", endpoint("application/json", (query) => configuration(options, query))],
  ]);
}

function configuration(options: DemoOptions, query: string): string {
  const channel = new URLSearchParams(query).get("channel") ?? DEMO_CHANNEL;
  const webTransportHost = options.webTransportHost() ?? null;
  return JSON.stringify({ curl: options.curlLine(channel), webTransportHost });
}

function file(text: string, contentType: string): Endpoint {
  return endpoint(contentType, () => text);
}

function endpoint(contentType: string, body: (query: string) => string): Endpoint {
  return {
    fetch({ method, url }) {
      if (method !== "GET" && method !== "HEAD") {
        return new Response("method not allowed", { status: 405, headers: { allow: "GET, HEAD" } });
      }
      return new Response(body(queryOf(url)), {
        headers: {
          "content-type": contentType,
          "content-security-policy": CONTENT_SECURITY_POLICY,
          "cache-control": "no-cache",
          "referrer-policy": "no-referrer",
          "x-content-type-options": "nosniff",
        },
      });
    },
  };
}
