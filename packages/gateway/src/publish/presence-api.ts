import { type Answer, whenAnswered } from "@starling/core/answer.ts";
import type { Broker } from "@starling/core/broker/broker.ts";
import { StarlingError } from "@starling/protocol/errors.ts";
import { decodeState } from "@starling/protocol/signalling/payload.ts";
import type { z } from "zod";
import type { Config } from "../config/config.ts";
import { parseRequest } from "./envelope.ts";
import { presenceQuerySchema, type presenceSchema, type presenceStatsSchema } from "./schemas.ts";

/** Who is present in a channel, for backends. */
export class PresenceApi {
  readonly #apps: Config["apps"];
  readonly #meshId: string;
  readonly #broker: Pick<Broker, "members" | "presenceStats">;

  constructor(
    { apps, meshId }: Pick<Config, "apps" | "meshId">,
    broker: Pick<Broker, "members" | "presenceStats">,
  ) {
    this.#apps = apps;
    this.#meshId = meshId;
    this.#broker = broker;
  }

  /** `query` is the part of the address after the question mark. */
  members(query: string): () => Answer<z.output<typeof presenceSchema>> {
    const { app, channel } = this.#parse(query);
    return () =>
      whenAnswered(this.#broker.members(app, channel), (members) => ({
        ok: true,
        members: members.map((member) => ({
          connection: member.connection,
          clientId: member.clientId,
          user: member.user ?? null,
          state: stateAsJson(member.state),
          since: member.since,
          mesh: (member.mesh ?? this.#meshId) || null,
        })),
      }));
  }

  stats(query: string): () => Answer<z.output<typeof presenceStatsSchema>> {
    const { app, channel } = this.#parse(query);
    return () =>
      whenAnswered(this.#broker.presenceStats(app, channel), (stats) => ({ ok: true, ...stats }));
  }

  #parse(query: string): z.output<typeof presenceQuerySchema> {
    const parameters = Object.fromEntries(new URLSearchParams(query));
    const request = parseRequest(presenceQuerySchema, parameters);
    if (!this.#apps.has(request.app)) throw new StarlingError("unknown_app");
    return request;
  }
}

/** A state is MessagePack, which can hold what JSON cannot: bytes, and numbers of 64 bits. */
function stateAsJson(state: Uint8Array | undefined): unknown {
  if (state === undefined) return null;
  const decoded = decodeState(state);
  if (!decoded.ok) return Buffer.from(state).toString("base64");
  const text = JSON.stringify(decoded.state, (_key, value: unknown) => {
    if (value instanceof Uint8Array) return Buffer.from(value).toString("base64");
    return typeof value === "bigint" ? String(value) : value;
  });
  return JSON.parse(text);
}
