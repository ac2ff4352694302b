import { eventually } from "../deadline.ts";
import { httpsCall } from "../https.ts";
import type { Publication } from "./history.ts";
import { keyOf } from "./violation.ts";

/** How long a busy machine may refuse to read, ms. */
const READ_MS = 20_000;

/** One publication of a page of the publisher API. */
interface Entry {
  readonly position: string;
  readonly data: { readonly p: string; readonly n: number };
}

interface Page {
  readonly publications: readonly Entry[];
  readonly complete: boolean;
  readonly more: boolean;
}

/**
 * What is wrong with the history of a channel that keeps everything, in sentences: what was answered with
 * a position stands there once and nowhere else, and whatever was published at all stands there once at most.
 */
export async function checkKept(
  server: { readonly publisherUrl: string; readonly ca: string },
  channel: string,
  publications: readonly Publication[],
): Promise<string[]> {
  const entries: Entry[] = [];
  const faults: string[] = [];
  for (let since: string | undefined, more = true; more; since = entries.at(-1)?.position) {
    const query = new URLSearchParams({
      channel,
      limit: "1000",
      ...(since === undefined ? {} : { since }),
    });
    const page = await eventually("a page of a history", () => read(server, query), READ_MS);
    if (!page.complete) faults.push(`the history of ${channel} is not complete behind ${since}`);
    entries.push(...page.publications);
    more = page.more && page.publications.length > 0;
  }
  const places = Map.groupBy(entries, ({ data: { p, n } }) => keyOf({ publisher: p, number: n }));
  for (const [key, found] of places) {
    if (found.length > 1) faults.push(`${key} stands ${found.length} times in ${channel}`);
  }
  const mine = publications.filter((each) => each.channel === channel);
  for (const publication of mine) {
    const { position, answeredAt } = publication;
    const [found] = places.get(keyOf(publication)) ?? [];
    if (answeredAt !== undefined && found === undefined) {
      faults.push(`${keyOf(publication)} is not in the history of ${channel}`);
    } else if (position !== undefined && found?.position !== position) {
      faults.push(`${keyOf(publication)} stands at ${found?.position}, not at ${position}`);
    }
  }
  return faults;
}

/** Undefined where the history cannot be read at this moment. */
async function read(
  server: { readonly publisherUrl: string; readonly ca: string },
  query: URLSearchParams,
): Promise<Page | undefined> {
  const { status, text } = await httpsCall(
    `${server.publisherUrl}/api/history?${query}`,
    server.ca,
    { ms: READ_MS },
  );
  if (status === 503) return undefined;
  return JSON.parse(text);
}
