import { bearerTokenOf } from "@starling/core/auth/bearer-token.ts";
import type { SignallingAdmissions } from "@starling/core/sessions/signalling/admissions.ts";
import type { SignallingAdmission } from "@starling/core/sessions/signalling/server.ts";
import { errorCatalogue } from "@starling/protocol/errors.ts";
import type { WebTransportRequest } from "@starling/webtransport/request.ts";
import { queryOf } from "./request-path.ts";
import { DatagramSocket } from "./sessions/datagram-socket.ts";
import type { SocketContext } from "./sessions/session-socket.ts";
import { StreamSocket } from "./sessions/stream-socket.ts";

export interface SignallingEndpointOptions {
  readonly admissions: Pick<SignallingAdmissions, "admit">;
  readonly sockets: SocketContext;
  /** Of every answer. */
  readonly headers: Readonly<Record<string, string>>;
}

type Request = Pick<
  WebTransportRequest,
  "path" | "authority" | "header" | "remoteAddress" | "accept" | "reject"
>;

/** What `hb` may be, in milliseconds: less is a burden, more is noticed by QUIC first. */
const HEARTBEAT = { least: 250, most: 10_000 };

/** `/v1`: handshakes of the signalling protocol over WebTransport. */
export class SignallingEndpoint {
  readonly #options: SignallingEndpointOptions;
  readonly #headers: readonly [string, string][];

  constructor(options: SignallingEndpointOptions) {
    this.#options = options;
    this.#headers = answerHeaders(options.headers);
  }

  async handle(request: Request): Promise<void> {
    const query = queryOf(request.path);
    const admission = await this.#options.admissions.admit({
      query,
      address: request.remoteAddress.hostname,
      origin: request.header("origin") ?? null,
      host: request.authority,
      bearer: bearerTokenOf(request.header("authorization") ?? null),
    });
    if ("link" in admission) this.#accept(request, query, admission);
    else this.#refuse(request, query, admission);
  }

  #accept(
    request: Request,
    query: URLSearchParams,
    { link }: Extract<SignallingAdmission, { link: unknown }>,
  ): void {
    const session = request.accept(this.#headers);
    if (session === undefined) return;
    const Socket = link.version === 1 ? DatagramSocket : StreamSocket;
    new Socket({ session, handler: link, heartbeatMs: heartbeatOf(query) }, this.#options.sockets);
  }

  /** A page sees no status, so one that has to know why asks for a session that says so. */
  #refuse(
    request: Request,
    query: URLSearchParams,
    { status, message, error }: Extract<SignallingAdmission, { status: number }>,
  ): void {
    if (query.get("why") !== "1") {
      request.reject(status, this.#headers);
      return;
    }
    const session = request.accept(this.#headers);
    session?.close({ closeCode: errorCatalogue[error].code, reason: message });
  }
}

/** Names in lower case, as HTTP/3 has them. */
export function answerHeaders(headers: Readonly<Record<string, string>>): [string, string][] {
  return Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]);
}

/** What the client has promised; 0 where that is nothing, or makes no sense. */
function heartbeatOf(query: URLSearchParams): number {
  const ms = Number(query.get("hb"));
  return ms >= HEARTBEAT.least && ms <= HEARTBEAT.most ? ms : 0;
}
