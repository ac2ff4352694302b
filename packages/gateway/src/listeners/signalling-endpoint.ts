import {
  handshakeHeaders,
  type SignallingAdmissions,
} from "@starling/core/sessions/signalling/admissions.ts";
import type { SocketHandler } from "@starling/core/sessions/socket-handler.ts";
import type { Server } from "bun";
import { bearerToken } from "./bearer-token.ts";
import type { ClientAddress } from "./client-address.ts";
import { queryOf } from "./request-url.ts";
import type { Endpoint } from "./subscriber-listener.ts";

export interface SignallingEndpointOptions {
  readonly admissions: SignallingAdmissions;
  readonly clientAddress: ClientAddress;
  readonly version: string;
  readonly meshId: string;
}

/** `/v1`: handshakes of the signalling protocol, with the words of its version 1. */
export class SignallingEndpoint implements Endpoint {
  readonly #options: SignallingEndpointOptions;
  readonly #headers: Readonly<Record<string, string>>;

  constructor(options: SignallingEndpointOptions) {
    this.#options = options;
    this.#headers = handshakeHeaders(options.version, options.meshId);
  }

  async fetch(request: Request, server: Server<SocketHandler>): Promise<Response | undefined> {
    const { admissions, clientAddress } = this.#options;
    const { headers, url } = request;
    const admission = await admissions.admit({
      query: new URLSearchParams(queryOf(url)),
      address: clientAddress(request, server),
      origin: headers.get("origin"),
      host: headers.get("host"),
      bearer: bearerToken(headers),
    });
    if (!("link" in admission)) return this.#answer(admission.status, admission.message);
    if (server.upgrade(request, { data: admission.link, headers: this.#headers })) return undefined;
    return this.#answer(426, "this address speaks WebSocket", { upgrade: "websocket" });
  }

  #answer(status: number, message: string, headers: Record<string, string> = {}): Response {
    const contentType = { "content-type": "text/plain; charset=utf-8" };
    return new Response(message, {
      status,
      headers: { ...this.#headers, ...contentType, ...headers },
    });
  }
}
