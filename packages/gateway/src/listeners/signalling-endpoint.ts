import type { Broker } from "@starling/core/broker/broker.ts";
import type { Counters } from "@starling/core/hub/counters.ts";
import { addressLimitKey } from "@starling/core/limits/address.ts";
import type {
  SignallingAdmission,
  SignallingServer,
} from "@starling/core/sessions/signalling/server.ts";
import type { SocketHandler } from "@starling/core/sessions/socket-handler.ts";
import { type ErrorName, errorCatalogue } from "@starling/protocol/errors.ts";
import type { Server } from "bun";
import { bearerToken } from "./bearer-token.ts";
import type { ClientAddress } from "./client-address.ts";
import type { OriginPolicy } from "./origin-policy.ts";
import { queryOf } from "./request-url.ts";
import type { Endpoint } from "./subscriber-listener.ts";

export interface SignallingEndpointOptions {
  readonly signalling: SignallingServer;
  readonly origins: OriginPolicy;
  readonly counters: Counters;
  readonly clientAddress: ClientAddress;
  /** Counts the rate by address. */
  readonly broker: Pick<Broker, "take">;
  /** Handshakes that may wait for their credentials to be checked at one time. */
  readonly maxHandshakes: number;
  readonly version: string;
  readonly meshId: string;
}

/** What every answer to a handshake says of the server. */
export function handshakeHeaders(version: string, meshId: string): Record<string, string> {
  return { "X-Prscd-Version": version, "X-Prscd-MeshID": meshId };
}

/** `/v1`: handshakes of the signalling protocol, with the words of its version 1. */
export class SignallingEndpoint implements Endpoint {
  readonly #options: SignallingEndpointOptions;
  readonly #headers: Readonly<Record<string, string>>;
  #handshakes = 0;

  constructor(options: SignallingEndpointOptions) {
    this.#options = options;
    this.#headers = handshakeHeaders(options.version, options.meshId);
  }

  async fetch(request: Request, server: Server<SocketHandler>): Promise<Response | undefined> {
    const { origins, broker, maxHandshakes } = this.#options;
    const address = this.#options.clientAddress(request, server);
    if (!origins.allows(request)) return this.#refuse("origin_forbidden");
    if (this.#handshakes >= maxHandshakes) return this.#refuse("too_many_handshakes");
    this.#handshakes++;
    let admission: SignallingAdmission;
    try {
      const waitMs = await broker.take("address", addressLimitKey(address));
      if (waitMs > 0) return this.#refuse("rate_limit_block");
      admission = await this.#options.signalling.admit({
        query: new URLSearchParams(queryOf(request.url)),
        address,
        origin: request.headers.get("origin"),
        bearer: bearerToken(request.headers),
      });
    } finally {
      this.#handshakes--;
    }
    if (!("link" in admission)) return this.#answer(admission.status, admission.message);
    if (server.upgrade(request, { data: admission.link, headers: this.#headers })) return undefined;
    return this.#answer(426, "this address speaks WebSocket", { upgrade: "websocket" });
  }

  #refuse(name: ErrorName): Response {
    this.#options.counters.refusedHandshakes++;
    return this.#answer(errorCatalogue[name].status, errorCatalogue[name].message);
  }

  #answer(status: number, message: string, headers: Record<string, string> = {}): Response {
    const contentType = { "content-type": "text/plain; charset=utf-8" };
    return new Response(message, {
      status,
      headers: { ...this.#headers, ...contentType, ...headers },
    });
  }
}
