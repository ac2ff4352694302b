import { FakeClock } from "@starling/core/testing/fake-clock.ts";
import { RecordingLog } from "@starling/core/testing/recording-log.ts";
import { TransportCounters } from "../counters.ts";
import { DatagramBatches } from "../sessions/datagram-batches.ts";
import { DatagramSocket } from "../sessions/datagram-socket.ts";
import { SessionFanout } from "../sessions/fanout.ts";
import { Pacer } from "../sessions/pacer.ts";
import type { SocketContext } from "../sessions/session-socket.ts";
import { StreamSocket } from "../sessions/stream-socket.ts";
import { FakeHandler, FakeSession, type FakeStream } from "./fake-session.ts";

/** A session, its socket, and what stands behind that. */
export interface Connected<Socket> {
  readonly session: FakeSession;
  readonly socket: Socket;
  readonly handler: FakeHandler;
}

/** Sockets that share a pacer, whose turns a test lets pass. */
export class SocketFixture {
  readonly clock = new FakeClock();
  readonly counters = new TransportCounters();
  readonly fanout = new SessionFanout();
  readonly context: SocketContext;
  #turns: (() => void)[] = [];

  constructor() {
    this.context = {
      fanout: this.fanout,
      pacer: new Pacer((callback) => this.#turns.push(callback)),
      batches: new DatagramBatches(),
      counters: this.counters,
      clock: this.clock,
      log: new RecordingLog(),
      slowConsumerBytes: 1_000,
      maxMessageBytes: 5_000,
      openTimeoutMs: 3_000,
    };
  }

  datagramSocket(heartbeatMs = 0): Connected<DatagramSocket> {
    const [session, handler] = [new FakeSession(), new FakeHandler()];
    const options = { session: session.asSession, handler, heartbeatMs };
    return { session, handler, socket: new DatagramSocket(options, this.context) };
  }

  streamSocket(heartbeatMs = 0): Connected<StreamSocket> {
    const [session, handler] = [new FakeSession(), new FakeHandler()];
    const options = { session: session.asSession, handler, heartbeatMs };
    return { session, handler, socket: new StreamSocket(options, this.context) };
  }

  /** A socket whose client has opened its stream. */
  openStreamSocket(heartbeatMs = 0): Connected<StreamSocket> & { readonly stream: FakeStream } {
    const connected = this.streamSocket(heartbeatMs);
    return { ...connected, stream: connected.session.open() };
  }

  /** Lets one turn of the event loop pass; answers whether another is asked for. */
  turn(): boolean {
    for (const callback of this.#turns.splice(0)) callback();
    return this.#turns.length > 0;
  }

  /** Lets turns pass until there is nothing more to do; answers how many. */
  async settle(): Promise<number> {
    let turns = 0;
    // Each time what the promises have caused, too.
    for (let quiet = 0; quiet < 3; quiet++) {
      while (this.#turns.length > 0) {
        this.turn();
        turns++;
        quiet = 0;
      }
      await new Promise((resolve) => setImmediate(resolve));
    }
    return turns;
  }
}
