import { PublicationIds } from "../broker/publication-ids.ts";
import type { Position } from "./position.ts";

/** The id of what stands at a place in a history: the same whoever reads it there, and however it came. */
export function idAt({ epoch, offset }: Position): number {
  return PublicationIds.of(epoch, offset);
}
