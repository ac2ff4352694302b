import { inlineAttachments } from "../../hub/inline-attachments.ts";
import type { Publication } from "../../hub/publication.ts";
import type { WireFormat } from "../../hub/subscriber.ts";

/** Ends a line in an event stream (WHATWG HTML, section 9.2.6). */
const LINE_END = /\r\n|\r|\n/;

/**
 * The lines of one event; none when its name cannot stand in a line. A client that comes back says the
 * last `id` that it saw.
 */
function frames(event: string, data: string, cursor: string | undefined): readonly string[] {
  if (LINE_END.test(event)) return [];
  const lines = data.split(LINE_END).map((line) => `data: ${line}\n`);
  const id = cursor === undefined ? "" : `id: ${cursor}\n`;
  return [`${id}event: ${event}\n${lines.join("")}\n`];
}

/** Publications as server-sent events: the event's name, and its data as the text it is. */
export const sseFormat: WireFormat = {
  id: "sse",
  encode: (publication: Publication) =>
    frames(publication.event, inlineAttachments(publication), publication.cursor),
};

/**
 * The same as events `message` that also name channel, event and publisher, for streams of several
 * channels, and for pages that do not know the names of all events.
 */
export const sseEnvelopeFormat: WireFormat = {
  id: "ssee",
  encode(publication) {
    const { channel, event, publisher = "", cursor } = publication;
    const about = JSON.stringify({ channel, event, publisher }).slice(0, -1);
    return frames("message", `${about},"data":${inlineAttachments(publication)}}`, cursor);
  },
};
