import type { Publication } from "../../hub/publication.ts";
import { SignalledPublication } from "../../hub/signalled-publication.ts";
import type { Reader } from "./reader.ts";
import type { Writer } from "./writer.ts";

/** What the content has beside event and data. */
const HAS_ID = 1;
const HAS_PUBLISHER = 2;
const HAS_PAYLOAD = 4;
const HAS_ATTACHMENTS = 8;
/** There is no event and no data: who wants them reads them from the payload. */
const IS_SIGNALLED = 16;
const HAS_SENDER = 32;

/** Writes what a publication says in every channel. */
export function writePublication(writer: Writer, publication: Publication): void {
  const { id, publisher, payload, sender } = publication;
  const isSignalled = publication instanceof SignalledPublication;
  const attachments = isSignalled ? undefined : publication.attachments;
  writer.uint(
    (id === undefined ? 0 : HAS_ID) |
      (publisher === undefined ? 0 : HAS_PUBLISHER) |
      (payload === undefined ? 0 : HAS_PAYLOAD) |
      (attachments === undefined ? 0 : HAS_ATTACHMENTS) |
      (isSignalled ? IS_SIGNALLED : 0) |
      (sender === undefined ? 0 : HAS_SENDER),
  );
  if (id !== undefined) writer.uint(id);
  if (publisher !== undefined) writer.string(publisher);
  if (payload !== undefined) writer.bin(payload);
  if (sender !== undefined) writer.string(sender);
  if (isSignalled) return;
  writer.string(publication.event);
  writer.string(publication.data);
  if (attachments === undefined) return;
  writer.array(attachments.length);
  for (const attachment of attachments) writer.bin(attachment);
}

/** Reads the publication of each of the channels; what it says is read once. */
export function readPublications(
  reader: Reader,
  app: string,
  channels: readonly string[],
): readonly Publication[] {
  const parts = reader.uint();
  const id = parts & HAS_ID ? reader.uint() : undefined;
  const publisher = parts & HAS_PUBLISHER ? reader.string() : undefined;
  const payload = parts & HAS_PAYLOAD ? reader.bin() : undefined;
  const sender = parts & HAS_SENDER ? reader.string() : undefined;
  if (parts & IS_SIGNALLED && payload !== undefined) {
    return channels.map((channel) => {
      const said = new SignalledPublication(app, channel, publisher ?? "", payload, id);
      said.sender = sender;
      return said;
    });
  }
  const event = reader.name();
  const data = reader.string();
  const more: {
    publisher?: string;
    payload?: Uint8Array;
    sender?: string;
    attachments?: Uint8Array[];
  } = {};
  if (publisher !== undefined) more.publisher = publisher;
  if (payload !== undefined) more.payload = payload;
  if (sender !== undefined) more.sender = sender;
  if (parts & HAS_ATTACHMENTS) {
    more.attachments = [];
    for (let left = reader.array(); left > 0; left--) more.attachments.push(reader.bin());
  }
  return channels.map((channel) => ({ id, app, channel, event, data, ...more }));
}
