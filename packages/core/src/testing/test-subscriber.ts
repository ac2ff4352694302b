import type { CloseName } from "@starling/protocol/close-codes.ts";
import type { Frame, Subscriber, WireFormat } from "../hub/subscriber.ts";
import type { MessageSocket } from "../ports.ts";
import type { FakeSocket } from "./fake-network.ts";

/** Publications as their data, followed by their binary parts. */
export const plainFormat: WireFormat = {
  id: "plain",
  encode: ({ data, attachments }) => [data, ...(attachments ?? [])],
};

/** A connection that remembers what the hub did with it. */
export class TestSubscriber implements Subscriber {
  readonly app = "default";
  bagIndex = -1;
  channels: Subscriber["channels"];
  readonly delivered: Frame[] = [];
  readonly id: string;
  readonly user: string | undefined;
  readonly format: WireFormat;
  socket: MessageSocket | undefined;
  isPollWaiting = false;
  cut = 0;
  closedFor: CloseName | undefined;
  disconnectedFor: CloseName | undefined;

  constructor(id: string, socket?: FakeSocket, format = plainFormat, user?: string) {
    this.id = id;
    this.socket = socket;
    this.format = format;
    this.user = user;
  }

  deliver(frames: readonly Frame[]): void {
    for (const frame of frames) {
      if (this.socket === undefined) this.delivered.push(frame);
      else this.socket.send(frame);
    }
  }

  isReady(): boolean {
    return this.socket === undefined ? this.isPollWaiting : this.socket.getBufferedAmount() === 0;
  }

  cutSlow(): void {
    this.cut++;
  }

  close(reason: CloseName): void {
    this.closedFor = reason;
  }

  disconnect(reason: CloseName): void {
    this.disconnectedFor = reason;
  }
}
