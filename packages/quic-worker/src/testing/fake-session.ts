import type { MessageSocket } from "@starling/core/ports.ts";
import type { SocketHandler } from "@starling/core/sessions/socket-handler.ts";
import type { SharedDatagram } from "@starling/webtransport/datagrams.ts";
import type { CloseInfo, SessionEvents } from "@starling/webtransport/session.ts";
import type { Session } from "../sessions/session-socket.ts";

type Read = Uint8Array<ArrayBuffer> | "finished" | "reset";

/** A client's stream, whose writes a test lets through. */
export class FakeStream {
  readonly written: Uint8Array[] = [];
  isFinished = false;
  isCancelled = false;
  /** Whether writes wait until `takeAll`. */
  isBlocked = false;
  readonly #unread: Read[] = [];
  #reading: ((bytes: Read) => void) | undefined;
  #blocked: ((isTaken: boolean) => void)[] = [];

  /** The client has sent this. */
  push(bytes: Read): void {
    const waiting = this.#reading;
    this.#reading = undefined;
    if (waiting === undefined) this.#unread.push(bytes);
    else waiting(bytes);
  }

  /** QUIC takes what was written. */
  takeAll(): void {
    for (const taken of this.#blocked.splice(0)) taken(true);
  }

  readonly receive = {
    read: (): Promise<Read> => {
      const { promise, resolve } = Promise.withResolvers<Read>();
      const bytes = this.#unread.shift();
      if (bytes === undefined) this.#reading = resolve;
      else resolve(bytes);
      return promise;
    },
    cancel: () => {
      this.isCancelled = true;
      this.push("reset");
    },
  };

  readonly send = {
    write: (bytes: Uint8Array): Promise<boolean> => {
      this.written.push(bytes.slice());
      if (!this.isBlocked) return Promise.resolve(true);
      const { promise, resolve } = Promise.withResolvers<boolean>();
      this.#blocked.push(resolve);
      return promise;
    },
    finish: async (): Promise<void> => {
      this.isFinished = true;
    },
  };

  /** The messages that were written, without their lengths. */
  get messages(): string[] {
    const bytes = new Uint8Array(this.written.flatMap((piece) => [...piece]));
    const view = new DataView(bytes.buffer);
    const messages: string[] = [];
    for (let at = 0; at < bytes.length; ) {
      const length = view.getUint32(at);
      messages.push(new TextDecoder().decode(bytes.subarray(at + 4, at + 4 + length)));
      at += 4 + length;
    }
    return messages;
  }
}

/** A session without a network. */
export class FakeSession {
  events: SessionEvents = {};
  readonly datagrams: string[] = [];
  closedWith: Partial<CloseInfo> | undefined;
  isTerminated = false;

  /** The datagrams themselves, which may hold several messages. */
  readonly payloads: Uint8Array[] = [];

  sendDatagram(datagram: SharedDatagram): "accepted" {
    this.payloads.push(datagram.payload);
    this.datagrams.push(new TextDecoder().decode(datagram.payload));
    return "accepted";
  }

  close(info: Partial<CloseInfo> = {}): void {
    if (this.closedWith !== undefined || this.isTerminated) return;
    this.closedWith = info;
    this.events.closed?.({ closeCode: 0, reason: "", ...info, isClean: true });
  }

  terminate(): void {
    this.isTerminated = true;
    this.events.closed?.({ closeCode: 0, reason: "", isClean: false });
  }

  /** The client opens a stream. */
  open(): FakeStream {
    const stream = new FakeStream();
    this.events.bidirectionalStream?.(stream as never);
    return stream;
  }

  /** As the sockets know it. */
  get asSession(): Session {
    return this as unknown as Session;
  }
}

/** Remembers what a socket told. */
export class FakeHandler implements SocketHandler {
  readonly told: string[] = [];
  socket: MessageSocket | undefined;
  /** Called with each message after it was remembered. */
  onMessage: (text: string) => unknown = () => {};

  opened(socket: MessageSocket): void {
    this.socket = socket;
    this.told.push("opened");
  }

  message(_socket: unknown, message: string | Uint8Array): void {
    const text = typeof message === "string" ? message : new TextDecoder().decode(message);
    this.told.push(`message ${text}`);
    this.onMessage(text);
  }

  drained(): void {
    this.told.push("drained");
  }

  ponged(_socket: unknown, payload: Uint8Array): void {
    this.told.push(`ponged ${payload.length}`);
  }

  closed(_socket: unknown, code: number): void {
    this.told.push(`closed ${code}`);
  }
}
