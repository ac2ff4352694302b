import { MsgHdrsImpl } from "@nats-io/nats-core/internal";

declare const TextEncoder: new () => { encode(text: string): Uint8Array };
const encoder = new TextEncoder();

/**
 * The headers of what a stream is to keep once: its id, and nothing else. The library would check the name and the
 * text of the header anew for each message, which costs as much as sending it.
 */
export class MessageIdHeader extends MsgHdrsImpl {
  /** Of the message that is sent next: printable ASCII. */
  id = "";

  override encode(): Uint8Array {
    return encoder.encode(`NATS/1.0\r\nNats-Msg-Id: ${this.id}\r\n\r\n`);
  }
}
