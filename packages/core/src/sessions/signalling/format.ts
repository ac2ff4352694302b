import { encodeSignal } from "@starling/protocol/signalling/codec.ts";
import type { ServerPeerSignal } from "@starling/protocol/signalling/messages.ts";
import { encodeEventPayload } from "@starling/protocol/signalling/payload.ts";
import { inlineAttachments } from "../../hub/inline-attachments.ts";
import type { Publication } from "../../hub/publication.ts";
import { LONE_PLACEHOLDER } from "../../hub/signalled-publication.ts";
import type { WireFormat } from "../../hub/subscriber.ts";

/**
 * Who subscribes without presence has a format of its own, so that news of peers passes it by. Members of
 * version 2 have one in channels where they may recover, since version 1 knows no offsets.
 */
const formatIds = { members: "sigm", "members with offsets": "sigo", subscribers: "sigs" } as const;

/** Publications as `data` messages of the signalling protocol. */
export class SignallingFormat implements WireFormat {
  readonly id: string;
  readonly #meshId: string;
  readonly #hasOffsets: boolean;

  /** `meshId` names this node in messages that came through it; empty leaves it out. */
  constructor(meshId: string, audience: keyof typeof formatIds) {
    this.#meshId = meshId;
    this.id = formatIds[audience];
    this.#hasOffsets = audience !== "members";
  }

  encode(publication: Publication): readonly Uint8Array[] {
    const { channel: c, publisher: p = "", cursor, position, mesh } = publication;
    const signal = { t: "data" as const, c, p, pl: payloadOf(publication), ...this.#mesh(mesh) };
    const off = this.#hasOffsets && cursor !== undefined ? position?.offset : undefined;
    return [encodeSignal(off === undefined ? signal : { ...signal, off })];
  }

  /** News of a peer, for the others in a channel; `mesh` names its node where that is another one. */
  peer(
    op: ServerPeerSignal["op"],
    c: string,
    p: string,
    pl: Uint8Array | undefined,
    mesh?: string,
  ): Uint8Array {
    const signal = { t: "control" as const, op, c, p, ...this.#mesh(mesh) };
    return encodeSignal(pl === undefined ? signal : { ...signal, pl });
  }

  #mesh(mesh = this.#meshId): { mesh?: string } {
    return mesh === "" ? {} : { mesh };
  }
}

/** A publication that is one binary part and nothing else has that as its payload. */
function payloadOf(publication: Publication): Uint8Array {
  const { payload, event, data, attachments } = publication;
  if (payload !== undefined) return payload;
  const first = attachments?.[0];
  if (first !== undefined && data === LONE_PLACEHOLDER) return first;
  return encodeEventPayload(event, inlineAttachments(publication));
}
