import { type ErrorName, errorCatalogue } from "@starling/protocol/errors.ts";
import type { Broker } from "../../broker/broker.ts";
import type { Counters } from "../../hub/counters.ts";
import { addressLimitKey } from "../../limits/address.ts";
import type { AllowedOrigins } from "../../limits/allowed-origins.ts";
import type { SignallingAdmission, SignallingHandshake, SignallingServer } from "./server.ts";

/** The path at which the signalling protocol is spoken. */
export const SIGNALLING_PATH = "/v1";

export interface AdmissionsOptions {
  readonly signalling: SignallingServer;
  readonly origins: AllowedOrigins;
  readonly counters: Counters;
  /** Counts the rate by address. */
  readonly broker: Pick<Broker, "take">;
  /** Handshakes that may wait for their credentials to be checked at one time. */
  readonly maxHandshakes: number;
}

/** What a listener knows of a handshake. */
export interface ListenerHandshake extends SignallingHandshake {
  /** The host and port that the client asked for. */
  readonly host: string | null;
}

/** What every answer to a handshake says of the server. */
export function handshakeHeaders(version: string, meshId: string): Record<string, string> {
  return { "X-Prscd-Version": version, "X-Prscd-MeshID": meshId };
}

/** Decides about the handshakes of the signalling protocol, whatever they came over. */
export class SignallingAdmissions {
  readonly #options: AdmissionsOptions;
  #underWay = 0;

  constructor(options: AdmissionsOptions) {
    this.#options = options;
  }

  async admit(handshake: ListenerHandshake): Promise<SignallingAdmission> {
    const { origins, broker, maxHandshakes, signalling } = this.#options;
    const { origin, host, address } = handshake;
    if (!origins.allows(origin, host)) return this.#refuse("origin_forbidden");
    if (this.#underWay >= maxHandshakes) return this.#refuse("too_many_handshakes");
    this.#underWay++;
    try {
      const waitMs = await broker.take("address", addressLimitKey(address));
      if (waitMs > 0) return this.#refuse("rate_limit_block");
      return await signalling.admit(handshake);
    } finally {
      this.#underWay--;
    }
  }

  #refuse(error: ErrorName): SignallingAdmission {
    this.#options.counters.refusedHandshakes++;
    const { status, message } = errorCatalogue[error];
    return { status, message, error };
  }
}
