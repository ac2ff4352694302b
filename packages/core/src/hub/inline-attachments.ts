import type { Publication } from "./publication.ts";

/** As Socket.IO clients write it; inside a JSON string the quotes would be escaped. */
const PLACEHOLDER = /\{\s*"_placeholder"\s*:\s*true\s*,\s*"num"\s*:\s*(\d+)\s*\}/g;

/** The data of a publication as JSON text alone, each binary part as its base64 text. */
export function inlineAttachments({ data, attachments = [] }: Publication): string {
  if (attachments.length === 0) return data;
  return data.replace(PLACEHOLDER, (placeholder, number: string) => {
    const part = attachments[Number(number)];
    return part === undefined ? placeholder : JSON.stringify(part.toBase64());
  });
}
