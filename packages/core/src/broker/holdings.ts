import type { Publication } from "../hub/publication.ts";
import type { Holding } from "./histories.ts";

/** Publications that are held as objects, which nobody changes but for their place. */
export const publicationHolding: Holding<Publication> = {
  own: (publication) => publication,
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
