import type { Publication } from "../hub/publication.ts";
import { SignalledPublication } from "../hub/signalled-publication.ts";
import type { Holding } from "./histories.ts";
import { readText, writeText } from "./ipc/text.ts";

/** Publications that are held as objects, which nobody changes but for their place. */
export const publicationHolding: Holding<Publication> = {
  own(publication) {
    const { payload } = publication;
    if (payload === undefined) return { ...publication, data: ownText(publication.data) };
    if (payload.length === payload.buffer.byteLength) return publication;
    const { app, channel, publisher = "", id, sender } = publication;
    const own = new SignalledPublication(app, channel, publisher, payload.slice(), id);
    own.sender = sender;
    return own;
  },
  bytes(publication) {
    const { channel, publisher = "", payload } = publication;
    const names = channel.length + publisher.length;
    // Whoever has a payload has not read event and data from it yet, and may never have to.
    if (payload !== undefined) return names + payload.length;
    const { event, data, attachments = [] } = publication;
    return attachments.reduce(
      (sum, { length }) => sum + length,
      names + event.length + data.length,
    );
  },
};

/** Publications that are held as bytes, which are views of what has been read from a link. */
export const bytesHolding: Holding<Uint8Array> = {
  own: (publication) => publication.slice(),
  bytes: ({ length }) => length,
};

/** The text alone: a part of a longer one, as of a request, would keep all of that in memory. */
function ownText(text: string): string {
  const bytes = new Uint8Array(3 * text.length);
  return readText(bytes, 0, writeText(text, bytes, 0));
}
