/** Packet types of the Engine.IO protocol, revision 4, as they lead each text packet. */
export const PacketType = {
  open: "0",
  close: "1",
  ping: "2",
  pong: "3",
  message: "4",
  upgrade: "5",
  noop: "6",
} as const;

/** The probe of an upgrade and its answer. */
export const PROBE_PING = "2probe";
export const PROBE_PONG = "3probe";

/** Stands between the packets of a long-polling payload. */
export const PAYLOAD_SEPARATOR = "\x1e";

/** The form of a WebSocket frame in a long-polling payload. */
export function toPayloadPacket(frame: string | Uint8Array): string {
  return typeof frame === "string" ? frame : `b${frame.toBase64()}`;
}
