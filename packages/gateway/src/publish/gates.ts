import { type Answer, whenAnswered } from "@starling/core/answer.ts";
import { indexInConstantTime } from "@starling/core/auth/constant-time.ts";
import type { Broker } from "@starling/core/broker/broker.ts";
import { addressLimitKey } from "@starling/core/limits/address.ts";
import { AddressList } from "@starling/core/limits/address-list.ts";
import { clientAddress } from "@starling/core/limits/client-address.ts";
import { StarlingError } from "@starling/protocol/errors.ts";
import type { Config } from "../config/config.ts";
import { RateLimited } from "./responses.ts";

export type GateConfig = Pick<Config, "allowedIps" | "useProxy" | "trustProxy" | "apiKeys">;

/** Peers whose address was looked at before; backends are few and come again and again. */
const MAX_KNOWN_PEERS = 1_000;

const BEARER = "bearer ";

/** Who may come in, and how often; each method is one gate and throws a `StarlingError`. */
export class Gates {
  readonly #allowed: AddressList;
  readonly #trustedProxies: AddressList | undefined;
  readonly #apiKeys: readonly string[];
  readonly #broker: Pick<Broker, "take">;
  /** Allowed clients by the address of their peer, where no proxy stands between. */
  readonly #knownPeers = new Map<string, string>();
  readonly #callers = new Map<string, string>();

  /** @throws RangeError when a list of addresses holds something else. */
  constructor(config: GateConfig, broker: Pick<Broker, "take">) {
    this.#allowed = AddressList.parse(config.allowedIps);
    this.#trustedProxies = config.useProxy ? AddressList.parse(config.trustProxy) : undefined;
    this.#apiKeys = config.apiKeys;
    this.#broker = broker;
  }

  /** The client's address, if it is on the allow-list. */
  address(peerAddress: string, headers: Headers): string {
    const known = this.#knownPeers.get(peerAddress);
    if (known !== undefined) return known;
    const client = clientAddress(peerAddress, headers, this.#trustedProxies);
    if (!this.#allowed.contains(client)) throw new StarlingError("address_forbidden");
    if (this.#trustedProxies === undefined) remember(this.#knownPeers, peerAddress, client);
    return client;
  }

  /**
   * Who asks, as a key of limits and idempotency: the API key where keys are configured, else the
   * client's address. (A number stands for the key, so that no secret is kept in a map.)
   */
  apiKey(headers: Headers, client: string): string {
    if (this.#apiKeys.length === 0) return this.addressCaller(client);
    const header = headers.get("authorization") ?? "";
    const isBearer = header.slice(0, BEARER.length).toLowerCase() === BEARER;
    const presented = isBearer ? header.slice(BEARER.length).trim() : "";
    const index = indexInConstantTime(presented, this.#apiKeys);
    if (index < 0) throw new StarlingError("unauthorized");
    return `key ${index}`;
  }

  /** Who asks where no API key is asked for. */
  addressCaller(client: string): string {
    return this.#callers.get(client) ?? remember(this.#callers, client, addressLimitKey(client));
  }

  /** The rate of a caller, on all workers together; a promise where these have to be asked. */
  rate(caller: string): Answer<undefined> {
    return whenAnswered(this.#broker.take("api", caller), (waitMs) => {
      if (waitMs > 0) throw new RateLimited(waitMs);
      return undefined;
    });
  }
}

/** Starts afresh when full, which costs each peer one more look. */
function remember(known: Map<string, string>, key: string, value: string): string {
  if (known.size >= MAX_KNOWN_PEERS) known.clear();
  known.set(key, value);
  return value;
}
