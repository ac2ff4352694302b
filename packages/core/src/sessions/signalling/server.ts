import { type CloseName, closeCatalogue } from "@starling/protocol/close-codes.ts";
import { type ErrorName, errorCatalogue, StarlingError } from "@starling/protocol/errors.ts";
import type { SignalVersion } from "@starling/protocol/signalling/messages.ts";
import type { Identity } from "../../auth/identity.ts";
import type { Random } from "../../ports.ts";
import { HeartbeatWheel } from "../engine/heartbeat.ts";
import { type ConnectionContext, SignallingConnection } from "./connection.ts";
import { type LinkContext, SignallingLink } from "./link.ts";

/** What a client's handshake says. */
export interface SignallingHandshake {
  readonly query: { get(name: string): string | null };
  readonly address: string;
  readonly origin: string | null;
  /** The bearer token of an `Authorization` header. */
  readonly bearer: string | undefined;
}

/** What a client presents to be let in. */
export interface Credentials {
  readonly key: string;
  readonly id: string;
  readonly token: string | undefined;
  readonly address: string;
  readonly origin: string | null;
}

export interface SignallingServerOptions extends Omit<ConnectionContext, "refresh"> {
  readonly random: Random;
  /** Milliseconds between the pings of a connection; 10,000 in version 1. */
  readonly pingIntervalMs: number;
  /** Milliseconds that a pong may take. */
  readonly pingTimeoutMs: number;
  /** @throws StarlingError when the client is not let in */
  authenticate(credentials: Credentials): Promise<Identity>;
  /** @throws StarlingError when the token is not taken */
  refresh(identity: Identity, token: string): Promise<Identity>;
  /** Told of each round trip, in milliseconds. */
  onRoundTrip(ms: number): void;
}

/** Either the handler of the socket to come, or the refusal as HTTP says it. */
export type SignallingAdmission =
  | { readonly link: SignallingLink }
  | { readonly status: number; readonly message: string; readonly error: ErrorName };

/** Pongs that took longer are of another connection's life, or made up. */
const LONGEST_ROUND_TRIP_MS = 600_000;

/** Serves the signalling protocol, versions 1 and 2, over message sockets. */
export class SignallingServer implements LinkContext {
  readonly #options: SignallingServerOptions;
  readonly #heartbeat: HeartbeatWheel<SignallingLink>;
  #refusesNew = false;

  constructor(options: SignallingServerOptions) {
    this.#options = options;
    this.#heartbeat = new HeartbeatWheel<SignallingLink>({
      clock: options.clock,
      intervalMs: options.pingIntervalMs,
      timeoutMs: options.pingTimeoutMs,
      ping: (_slot, links) => {
        const payload = clockBytes(options.clock.now());
        for (const link of links) link.ping(payload);
      },
      expire: (link) => {
        options.counters.pingTimeouts++;
        link.close("ping_timeout");
      },
    });
  }

  /** Decides about a handshake; what it waits for settles in bounded time. */
  async admit(handshake: SignallingHandshake): Promise<SignallingAdmission> {
    const { query, address, origin, bearer } = handshake;
    const id = query.get("id") ?? query.get("app_id") ?? "";
    const key = query.get("publickey") ?? query.get("public_key") ?? "";
    const token = query.get("token") ?? bearer;
    try {
      if (this.#refusesNew) throw new StarlingError("shutting_down");
      if (id === "") throw new StarlingError("missing_client_id");
      if (key === "" && token === undefined) throw new StarlingError("missing_public_key");
      const identity = await this.#options.authenticate({ key, id, token, address, origin });
      return { link: this.#createLink(id, query.get("v") === "2" ? 2 : 1, identity) };
    } catch (error) {
      this.#options.counters.refusedHandshakes++;
      return refusal(error, this.#options);
    }
  }

  /** Tells clients of version 2 that they will be closed at a moment, and with which code. */
  notify(reason: CloseName, at: number): void {
    const { code, reason: text } = closeCatalogue[reason];
    for (const link of this.#heartbeat.members()) link.user.notice(code, text, at);
  }

  /** From now on handshakes are refused; connections that there are go on. */
  refuseNew(): void {
    this.#refusesNew = true;
  }

  /** Closes every connection, telling its client to come back. */
  shutDown(): void {
    for (const link of this.#heartbeat.members()) link.close("shutting_down");
    this.#heartbeat.stop();
  }

  // For the links

  enter(link: SignallingLink): number {
    return this.#heartbeat.add(link);
  }

  leave(link: SignallingLink, slot: number): void {
    this.#heartbeat.remove(link, slot);
  }

  after(delayMs: number, callback: () => void) {
    return this.#options.clock.setTimeout(callback, delayMs);
  }

  clear(timer: ReturnType<SignallingServer["after"]>): void {
    this.#options.clock.clearTimeout(timer);
  }

  measured(payload: Uint8Array): void {
    if (payload.byteLength !== 8) return;
    const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
    const ms = this.#options.clock.now() - Number(view.getBigUint64(0));
    if (ms >= 0 && ms <= LONGEST_ROUND_TRIP_MS) this.#options.onRoundTrip(ms);
  }

  #createLink(clientId: string, version: SignalVersion, identity: Identity): SignallingLink {
    const id = this.#options.random.bytes(15).toBase64({ alphabet: "base64url" });
    return new SignallingLink(this, version, (link) => {
      const handshake = { clientId, version };
      return new SignallingConnection(id, handshake, identity, link, this.#options);
    });
  }
}

function refusal(error: unknown, { log }: SignallingServerOptions): SignallingAdmission {
  if (!(error instanceof StarlingError)) log.error({ error }, "a handshake could not be checked");
  const known = error instanceof StarlingError ? error : new StarlingError("internal");
  return {
    status: errorCatalogue[known.errorName].status,
    message: known.message,
    error: known.errorName,
  };
}

/** The clock as the ping carries it: eight bytes, big-endian. */
function clockBytes(now: number): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(Math.floor(now)));
  return bytes;
}
