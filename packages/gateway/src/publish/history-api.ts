import { type Answer, whenAnswered } from "@starling/core/answer.ts";
import type { HistoryEntry, HistoryPage } from "@starling/core/broker/stream.ts";
import type { HubApi } from "@starling/core/hub/api.ts";
import { inlineAttachments } from "@starling/core/hub/inline-attachments.ts";
import { optionsOf } from "@starling/core/hub/namespace.ts";
import { type Position, positionText } from "@starling/core/hub/position.ts";
import type { Publication } from "@starling/core/hub/publication.ts";
import { StarlingError } from "@starling/protocol/errors.ts";
import type { Config } from "../config/config.ts";
import { parseRequest } from "./envelope.ts";
import { historyQuerySchema } from "./schemas.ts";

/** What a channel keeps of what was published in it, for backends. */
export class HistoryApi {
  readonly #apps: Config["apps"];
  readonly #hub: Pick<HubApi, "history">;

  constructor(apps: Config["apps"], hub: Pick<HubApi, "history">) {
    this.#apps = apps;
    this.#hub = hub;
  }

  /**
   * Answers JSON text, since data is passed on as it came. `query` is the part of the address after the
   * question mark.
   */
  history(query: string): () => Answer<string> {
    const search = new URLSearchParams(query);
    const parameters = Object.fromEntries(search);
    if (Object.keys(parameters).length !== search.size) {
      throw new StarlingError("invalid_request", "a query parameter is given twice");
    }
    const request = parseRequest(historyQuerySchema, parameters);
    const { app, channel, since, limit, reverse: newestFirst } = request;
    if (!this.#apps.has(app)) {
      throw new StarlingError("unknown_app", "app: no such app is configured");
    }
    if (optionsOf(this.#apps, app, channel).history === undefined) {
      const none = { ok: true, channel, position: null, publications: [] };
      return () => JSON.stringify({ ...none, complete: false, more: false });
    }
    return () =>
      whenAnswered(this.#hub.history(app, channel, { since, limit, newestFirst }), (page) =>
        pageText(channel, page),
      );
  }
}

function pageText(channel: string, page: HistoryPage<Publication>): string {
  const { position, entries, isComplete, hasMore } = page;
  return objectText({
    ok: "true",
    channel: JSON.stringify(channel),
    position: JSON.stringify(positionText(position)),
    publications: `[${entries.map((entry) => entryText(entry, position)).join(",")}]`,
    complete: String(isComplete),
    more: String(hasMore),
  });
}

function entryText(
  { offset, time, content }: HistoryEntry<Publication>,
  { epoch }: Position,
): string {
  const { event, publisher = "" } = content;
  return objectText({
    position: JSON.stringify(positionText({ epoch, offset })),
    time: String(Math.floor(time)),
    event: JSON.stringify(event),
    data: inlineAttachments(content),
    publisher: JSON.stringify(publisher === "" ? null : publisher),
  });
}

/** An object whose values are JSON text already. */
function objectText(members: Readonly<Record<string, string>>): string {
  return `{${Object.entries(members)
    .map(([name, value]) => `"${name}":${value}`)
    .join(",")}}`;
}
