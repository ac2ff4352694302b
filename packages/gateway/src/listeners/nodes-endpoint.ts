import { addressLimitKey } from "@starling/core/limits/address.ts";
import { AddressList } from "@starling/core/limits/address-list.ts";
import { RateLimiter } from "@starling/core/limits/rate-limiter.ts";
import type { Clock, Log } from "@starling/core/ports.ts";
import type { SocketHandler } from "@starling/core/sessions/socket-handler.ts";
import { StarlingError } from "@starling/protocol/errors.ts";
import type { Server } from "bun";
import type { Config } from "../config/config.ts";
import type { NodeList } from "../node/node-list.ts";
import { MethodNotAllowed, RateLimited, refusal } from "../publish/responses.ts";
import { type ClientAddress, subscriberAddress } from "./client-address.ts";
import type { OriginPolicy } from "./origin-policy.ts";
import type { Endpoint } from "./subscriber-listener.ts";

/** Where clients learn which nodes there are. */
export const NODES_PATH = "/v1/nodes";

/** Seconds for which browsers and proxies may give the answer again. */
const MAX_AGE = 5;

export interface NodesEndpointOptions {
  readonly nodes: Pick<NodeList, "text">;
  readonly origins: OriginPolicy;
  readonly clientAddress: ClientAddress;
  /** Of this worker, by address. */
  readonly limiter: Pick<RateLimiter, "take">;
  readonly log: Log;
}

/** The list with the configured limits: an address may ask as often as it may connect. */
export function nodesEndpoint(
  config: Pick<Config, "connectRatePerAddress" | "useProxy" | "trustProxy">,
  options: Pick<NodesEndpointOptions, "nodes" | "origins" | "log"> & { readonly clock: Clock },
): Endpoint {
  const proxies = config.useProxy ? AddressList.parse(config.trustProxy) : undefined;
  return new NodesEndpoint({
    ...options,
    clientAddress: subscriberAddress(proxies),
    limiter: new RateLimiter({
      ratePerSecond: config.connectRatePerAddress,
      clock: options.clock,
    }),
  });
}

/** Tells anybody whose page may connect which nodes there are. */
export class NodesEndpoint implements Endpoint {
  readonly #options: NodesEndpointOptions;

  constructor(options: NodesEndpointOptions) {
    this.#options = options;
  }

  async fetch(request: Request, server: Server<SocketHandler>): Promise<Response> {
    const { origins, log } = this.#options;
    const isAllowed = origins.allows(request);
    if (request.method === "OPTIONS" && isAllowed) return origins.preflight(request);
    const answer = await this.#answer(request, server, isAllowed).catch((error: unknown) => {
      if (!(error instanceof StarlingError)) log.error({ error }, "the nodes could not be listed");
      return refusal(error instanceof StarlingError ? error : new StarlingError("internal"));
    });
    for (const [name, value] of Object.entries(isAllowed ? origins.headers(request) : {})) {
      answer.headers.set(name, value);
    }
    return answer;
  }

  async #answer(
    request: Request,
    server: Server<SocketHandler>,
    isAllowed: boolean,
  ): Promise<Response> {
    const { nodes, clientAddress, limiter } = this.#options;
    const { method } = request;
    if (method !== "GET" && method !== "HEAD") throw new MethodNotAllowed(["GET", "HEAD"]);
    if (!isAllowed) throw new StarlingError("origin_forbidden");
    const waitMs = limiter.take(addressLimitKey(clientAddress(request, server)));
    if (waitMs > 0) throw new RateLimited(waitMs);
    return new Response(await nodes.text(), {
      headers: {
        "content-type": "application/json",
        "cache-control": `public, max-age=${MAX_AGE}`,
        "x-content-type-options": "nosniff",
      },
    });
  }
}
