import type { Presence } from "@starling/core/hub/presence.ts";
import { StarlingError } from "@starling/protocol/errors.ts";
import { decodeState } from "@starling/protocol/signalling/payload.ts";
import type { z } from "zod";
import type { Config } from "../config/config.ts";
import { parseRequest } from "./envelope.ts";
import { presenceQuerySchema, type presenceSchema, type presenceStatsSchema } from "./schemas.ts";

/** Who is present in a channel, for backends. */
export class PresenceApi {
  readonly #apps: Config["apps"];
  readonly #presence: Presence;

  constructor(apps: Config["apps"], presence: Presence) {
    this.#apps = apps;
    this.#presence = presence;
  }

  /** `query` is the part of the address after the question mark. */
  members(query: string): () => z.output<typeof presenceSchema> {
    const { app, channel } = this.#parse(query);
    return () => ({
      ok: true,
      members: Array.from(this.#presence.members(app, channel), (member) => ({
        connection: member.connection,
        clientId: member.clientId,
        user: member.user ?? null,
        state: stateAsJson(member.state),
        since: member.since,
      })),
    });
  }

  stats(query: string): () => z.output<typeof presenceStatsSchema> {
    const { app, channel } = this.#parse(query);
    return () => ({ ok: true, ...this.#presence.stats(app, channel) });
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
