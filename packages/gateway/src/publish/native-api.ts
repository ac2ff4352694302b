import { type Answer, whenAnswered } from "@starling/core/answer.ts";
import type { Published as Outcome } from "@starling/core/broker/broker.ts";
import type { HubApi } from "@starling/core/hub/api.ts";
import { RESERVED_EVENTS } from "@starling/core/hub/names.ts";
import { optionsOf } from "@starling/core/hub/namespace.ts";
import { positionText } from "@starling/core/hub/position.ts";
import { StarlingError } from "@starling/protocol/errors.ts";
import type { Config } from "../config/config.ts";
import type { Deliveries, Delivery } from "./deliveries.ts";
import { parseRequest, readEnvelope, tooManyEntries } from "./envelope.ts";
import {
  type BatchPublished,
  type Broadcasted,
  batchSchema,
  broadcastSchema,
  type ChannelsPage,
  channelsQuerySchema,
  MAX_BATCH,
  type PublicationRequest,
  type Published,
  publicationSchema,
} from "./schemas.ts";

const NOTHING: Outcome = { subscribers: 0, positions: [] };

/**
 * The operations of the native API. Each takes the text of a request, checks all of it, and gives
 * back what is to be done, so that the rate limit can stand between the two.
 */
export class NativeApi {
  readonly #apps: Config["apps"];
  readonly #hub: HubApi;
  readonly #deliveries: Deliveries;

  constructor(apps: Config["apps"], hub: HubApi, deliveries: Deliveries) {
    this.#apps = apps;
    this.#hub = hub;
    this.#deliveries = deliveries;
  }

  publish(text: string): (caller: string) => Answer<Published> {
    const request = parseRequest(publicationSchema, readEnvelope(text, MAX_BATCH));
    this.#knownApp(request.app, "app");
    receivable(request.event, "event");
    const deliveries = [toDelivery(request)];
    return (caller) =>
      whenAnswered(this.#deliveries.make(caller, deliveries), ([published = NOTHING]) => ({
        ok: true,
        ...outcomeOf(published),
      }));
  }

  batch(text: string): (caller: string) => Answer<BatchPublished> {
    const { publications } = parseRequest(batchSchema, readEnvelope(text, MAX_BATCH));
    publications.forEach(({ app, event }, index) => {
      this.#knownApp(app, `publications[${index}].app`);
      receivable(event, `publications[${index}].event`);
    });
    const deliveries = publications.map(toDelivery);
    return (caller) =>
      whenAnswered(this.#deliveries.make(caller, deliveries), (published) => ({
        ok: true,
        results: published.map(outcomeOf),
      }));
  }

  broadcast(text: string): (caller: string) => Answer<Broadcasted> {
    const envelope = readEnvelope(text, MAX_BATCH);
    if ("channels" in envelope && Array.isArray(envelope.channels)) {
      if (envelope.channels.length > MAX_BATCH) throw tooManyEntries(MAX_BATCH);
    }
    const { app, event, data, publisher, idempotencyKey, ...request } = parseRequest(
      broadcastSchema,
      envelope,
    );
    this.#knownApp(app, "app");
    receivable(event, "event");
    const channels = [...new Set(request.channels)];
    const delivery = { app, channels, event, data: data.text, publisher, idempotencyKey };
    return (caller) =>
      whenAnswered(this.#deliveries.make(caller, [delivery]), ([published = NOTHING]) => ({
        ok: true,
        channels: channels.length,
        subscribers: published.subscribers,
        ...this.#positionsOf(app, channels, published),
      }));
  }

  /** `query` is the part of the address after the question mark. */
  channels(query: string): () => Answer<ChannelsPage> {
    const search = new URLSearchParams(query);
    const parameters = Object.fromEntries(search);
    if (Object.keys(parameters).length !== search.size) {
      throw new StarlingError("invalid_request", "a query parameter is given twice");
    }
    const request = parseRequest(channelsQuerySchema, parameters);
    this.#knownApp(request.app, "app");
    return () =>
      whenAnswered(this.#hub.channels(request.app, request), (page) => ({ ok: true, ...page }));
  }

  /** The positions by channel, where any of the channels keeps history. */
  #positionsOf(
    app: string,
    channels: readonly string[],
    { positions }: Outcome,
  ): Pick<Broadcasted, "positions"> {
    if (positions.length === 0) return {};
    const streams = channels.filter((channel) => {
      return optionsOf(this.#apps, app, channel).history !== undefined;
    });
    const entries = positions.map((position, index) => [streams[index], positionText(position)]);
    return { positions: Object.fromEntries(entries) };
  }

  #knownApp(app: string, path: string): void {
    if (!this.#apps.has(app)) {
      throw new StarlingError("unknown_app", `${path}: no such app is configured`);
    }
  }
}

/** @throws StarlingError `reserved_event`, whose events stock clients take for broken packets. */
function receivable(event: string, path: string): void {
  if (!RESERVED_EVENTS.has(event)) return;
  throw new StarlingError("reserved_event", `${path}: ${event} is a name that Socket.IO reserves`);
}

/** What became of a publication in one channel. */
function outcomeOf({ subscribers, positions: [position] }: Outcome): Omit<Published, "ok"> {
  return position === undefined
    ? { subscribers }
    : { subscribers, position: positionText(position) };
}

function toDelivery(request: PublicationRequest): Delivery {
  const { app, channel, event, data, publisher, idempotencyKey } = request;
  return { app, channels: [channel], event, data: data.text, publisher, idempotencyKey };
}
