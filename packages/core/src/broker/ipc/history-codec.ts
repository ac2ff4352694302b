import type { Publication } from "../../hub/publication.ts";
import type { HistoryPage, HistoryRequest, Stream } from "../stream.ts";
import { readAll, readPosition, writePosition } from "./messages.ts";
import { readPublications } from "./publication-codec.ts";
import type { Reader } from "./reader.ts";
import { WireError } from "./wire-error.ts";
import type { Writer } from "./writer.ts";

export function writeStreams(writer: Writer, streams: readonly Stream[]): void {
  writer.array(streams.length);
  for (const { channel, size, ttlMs, position } of streams) {
    writer.string(channel);
    writer.uint(size);
    writer.uint(ttlMs);
    writer.bool(position !== undefined);
    if (position !== undefined) writePosition(writer, position);
  }
}

export function readStreams(reader: Reader): Stream[] {
  return readAll(reader, () => {
    const stream = { channel: reader.string(), size: reader.uint(), ttlMs: reader.uint() };
    return reader.bool() ? { ...stream, position: readPosition(reader) } : stream;
  });
}

export function writeHistoryRequest(
  writer: Writer,
  { since, limit, maxBytes, newestFirst = false }: HistoryRequest,
): void {
  writer.uint(limit);
  // None that is asked for has no room for anything.
  writer.uint(maxBytes ?? 0);
  writer.bool(newestFirst);
  writer.bool(since !== undefined);
  if (since !== undefined) writePosition(writer, since);
}

export function readHistoryRequest(reader: Reader): HistoryRequest {
  const [limit, bytes, newestFirst] = [reader.uint(), reader.uint(), reader.bool()];
  const maxBytes = bytes === 0 ? undefined : bytes;
  return { limit, maxBytes, newestFirst, since: reader.bool() ? readPosition(reader) : undefined };
}

export function writeHistoryPage(writer: Writer, page: HistoryPage<Uint8Array>): void {
  writePosition(writer, page.position);
  writer.bool(page.isComplete);
  writer.bool(page.hasMore);
  writer.array(page.entries.length);
  for (const { offset, time, content } of page.entries) {
    writer.uint(offset);
    writer.uint(Math.max(0, Math.floor(time)));
    writer.bin(content);
  }
}

/** Reads a page of one channel. */
export function readHistoryPage(
  reader: Reader,
  app: string,
  channel: string,
): HistoryPage<Publication> {
  const position = readPosition(reader);
  const { epoch } = position;
  const [isComplete, hasMore] = [reader.bool(), reader.bool()];
  const entries = readAll(reader, () => {
    const [offset, time] = [reader.uint(), reader.uint()];
    const outer = reader.enter();
    const [content] = readPublications(reader, app, [channel]);
    reader.leave(outer);
    if (content === undefined) throw new WireError("a history holds no publication");
    content.position = { epoch, offset };
    return { offset, time, content };
  });
  return { position, entries, isComplete, hasMore };
}
