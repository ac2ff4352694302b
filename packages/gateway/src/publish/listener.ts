import type { Log } from "@starling/core/ports.ts";
import { StarlingError } from "@starling/protocol/errors.ts";
import type { PublisherHandler } from "./handler.ts";
import { refusal } from "./responses.ts";

/** PEM texts of the publisher port. */
export interface PublisherTls {
  readonly cert: string;
  readonly key: string;
  /** Authorities that client certificates are checked against. */
  readonly ca?: string | undefined;
  /** Whether a client must present a certificate that `ca` has issued. */
  readonly verifyOrigin: boolean;
}

export interface PublisherListenerOptions {
  readonly handler: PublisherHandler;
  readonly tls: PublisherTls;
  readonly hostname: string;
  /** 0 lets the system choose. */
  readonly port: number;
  /** Whether other processes listen on the port as well; default `false`. */
  readonly shared?: boolean;
  readonly log: Log;
}

/**
 * Seconds after which a connection that sends nothing is closed. Proxies keep idle connections for a
 * minute: whoever waits longer never closes one that the other is just about to use.
 */
const IDLE_TIMEOUT = 75;

/**
 * What `Bun.serve` needs to serve the publisher API.
 *
 * @throws RangeError when client certificates are asked for and there is nothing to check them by.
 */
export function publisherServeOptions(options: PublisherListenerOptions) {
  const { handler, tls, log } = options;
  if (tls.verifyOrigin && tls.ca === undefined) {
    throw new RangeError("client certificates cannot be checked without CA_PATH");
  }
  return {
    hostname: options.hostname,
    port: options.port,
    reusePort: options.shared ?? false,
    development: false,
    idleTimeout: IDLE_TIMEOUT,
    // The handler counts the body itself, so that its refusal is the same for every way of sending.
    maxRequestBodySize: Number.MAX_SAFE_INTEGER,
    tls: {
      cert: tls.cert,
      key: tls.key,
      ...(tls.verifyOrigin && tls.ca !== undefined
        ? { ca: tls.ca, requestCert: true, rejectUnauthorized: true }
        : {}),
    },
    fetch(request: Request, server: Bun.Server<undefined>): Promise<Response> {
      const peer = server.requestIP(request);
      // Only a connection that is gone already has no address; nobody will read this answer.
      return handler.fetch(request, peer ?? { address: "", port: 0 });
    },
    error(error: Error): Response {
      log.error({ error }, "a publisher request failed");
      return refusal(new StarlingError("internal"));
    },
  };
}

/** Starts to listen; the port is bound when this returns. */
export function startPublisherListener(options: PublisherListenerOptions): Bun.Server<undefined> {
  return Bun.serve(publisherServeOptions(options));
}
