import { setImmediate } from "node:timers";
import { Ledger } from "../load/ledger.ts";
import { dueAt, senderOf } from "../load/mover.ts";
import { cursorState, memberId, readSequence, readSignal, signal } from "../load/signals.ts";
import type {
  FanOutCommand,
  HeardStates,
  OpenCommand,
  SendCommand,
  SentStates,
} from "./protocol.ts";

const QUIET_MS = 500;
const POLL_MS = 100;
const ASK_AGAIN_MS = 1_000;
/** What a system lets a program sleep for, about. */
const STEP_MS = 2;
/** Datagrams of one turn of the event loop. */
const BURST = 16;
/** How a datagram with several messages begins. */
const SEVERAL = 0xc1;

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Sessions of one server, with one account of who has heard what. */
export class Sessions {
  readonly #command: OpenCommand;
  readonly #ledger: Ledger;
  readonly #sessions: Session[] = [];
  /** By sequence of the state: how many have heard it. */
  readonly #hearers: number[] = [];
  readonly #datagrams = { count: 0 };

  constructor(command: OpenCommand) {
    this.#command = command;
    this.#ledger = new Ledger(command.paths.length);
  }

  /** Opens them, a bounded number at a time; answers how long that took. */
  async open(): Promise<number> {
    const { paths, window } = this.#command;
    const began = performance.now();
    let next = 0;
    const lane = async (): Promise<void> => {
      while (next < paths.length) {
        const session = new Session(next, this.#command, {
          ledger: this.#ledger,
          hearers: this.#hearers,
          datagrams: this.#datagrams,
        });
        this.#sessions[next] = session;
        next += 1;
        await session.open();
      }
    };
    await Promise.all(Array.from({ length: window }, lane));
    return (performance.now() - began) / 1000;
  }

  async fanOut({ rate, atOnce, seconds }: FanOutCommand): Promise<HeardStates> {
    const ledger = this.#ledger;
    const before = { ...ledger.counts(), datagrams: this.#datagrams.count };
    ledger.restartDelays();
    const sequences: number[] = [];
    const began = performance.now();
    const pace = { active: 1, rate, atOnce: false };
    for (let number = 0; number < rate * seconds; number += 1) {
      const wait = began + dueAt(pace, number - (number % atOnce)) - performance.now();
      if (wait > 0) await sleep(wait);
      const sender = this.#sessions[senderOf(pace, this.#sessions.length, number)];
      if (sender !== undefined) sequences.push(sender.sendState());
    }
    await this.#quiet();
    const after = ledger.counts();
    return {
      sent: sequences.length,
      unheard: sequences.filter((sequence) => this.#hearers[sequence] === undefined).length,
      // Not those of a state from before, which came late.
      deliveries: sequences.reduce((sum, each) => sum + (this.#hearers[each] ?? 0), 0),
      datagrams: this.#datagrams.count - before.datagrams,
      bytes: after.bytes - before.bytes,
      wrong: after.wrong - before.wrong,
      closed: after.closed,
      seconds: (ledger.latestAt - began) / 1000,
      delay: { median: ledger.delay(0.5), p99: ledger.delay(0.99) },
    };
  }

  /** A burst of all sessions would overflow the one socket of the server, so they take turns. */
  async send({ rate, seconds }: SendCommand): Promise<SentStates> {
    const total = this.#sessions.length * rate * seconds;
    const began = performance.now();
    let sent = 0;
    while (sent < total) {
      const passed = performance.now() - began;
      const due = Math.min(total, (this.#sessions.length * rate * passed) / 1000);
      for (const end = Math.min(due, sent + BURST); sent < end; sent += 1) {
        this.#sessions[sent % this.#sessions.length]?.sendState();
      }
      await (sent < due ? nextTurn() : sleep(STEP_MS));
    }
    await this.#quiet();
    return { sent, closed: this.#ledger.counts().closed };
  }

  async leave(): Promise<void> {
    for (const session of this.#sessions) session.close();
    await sleep(QUIET_MS);
  }

  async #quiet(): Promise<void> {
    let last = -1;
    let since = performance.now();
    while (performance.now() - since < QUIET_MS) {
      if (this.#ledger.deliveries !== last) since = performance.now();
      last = this.#ledger.deliveries;
      await sleep(POLL_MS);
    }
  }
}

/** What all sessions write down together. */
interface Account {
  readonly ledger: Ledger;
  /** By sequence of the state: how many have heard it. */
  readonly hearers: number[];
  /** Those that held a state. */
  readonly datagrams: { count: number };
}

/** One member, each of whose signals is a datagram, but for those of version 2 that must arrive. */
class Session {
  readonly #index: number;
  readonly #command: OpenCommand;
  readonly #channel: string;
  readonly #account: Account;
  readonly #joined = Promise.withResolvers<void>();
  #transport: WebTransport | undefined;
  #datagrams: WritableStreamDefaultWriter<Uint8Array> | undefined;
  /** Kept, since the stream of a writer that is collected ends. */
  #stream: WritableStreamDefaultWriter<Uint8Array> | undefined;
  #isLeaving = false;

  constructor(index: number, command: OpenCommand, account: Account) {
    this.#index = index;
    this.#command = command;
    this.#channel = command.channels[index] ?? "";
    this.#account = account;
  }

  /** Resolves once it has joined its channel. */
  async open(): Promise<void> {
    const { url, hash, paths, speaksSignals, timeoutMs, version } = this.#command;
    const value = Uint8Array.from(atob(hash), (character) => character.charCodeAt(0));
    const transport = new WebTransport(`${url}${paths[this.#index]}`, {
      serverCertificateHashes: [{ algorithm: "sha-256", value }],
    });
    this.#transport = transport;
    const late = () => this.#joined.reject(new Error("a session did not join in time"));
    const timer = setTimeout(late, timeoutMs);
    try {
      await transport.ready;
      transport.closed.then(
        () => this.#ended(),
        () => this.#ended(),
      );
      this.#datagrams = transport.datagrams.writable.getWriter();
      void this.#hear(transport);
      if (version === 2) await this.#joinByStream(transport);
      else if (speaksSignals) await this.#join();
    } finally {
      clearTimeout(timer);
    }
  }

  /** Asks again until it is answered, since either datagram may be lost. */
  async #join(): Promise<void> {
    const ask = (): void =>
      this.#send(signal("channel_join", this.#channel, undefined, cursorState(this.#index, 0)));
    const timer = setInterval(ask, ASK_AGAIN_MS);
    ask();
    try {
      await this.#joined.promise;
    } finally {
      clearInterval(timer);
    }
  }

  /** Whatever comes first over the stream is the answer. */
  async #joinByStream(transport: WebTransport): Promise<void> {
    const { readable, writable } = await transport.createBidirectionalStream();
    this.#stream = writable.getWriter();
    void this.#drain(readable);
    const state = cursorState(this.#index, 0);
    const message = signal("channel_join", this.#channel, undefined, state);
    const length = Buffer.alloc(4);
    length.writeUInt32BE(message.length);
    await this.#stream.write(Buffer.concat([length, message]));
    await this.#joined.promise;
  }

  async #drain(readable: ReadableStream<Uint8Array>): Promise<void> {
    try {
      for await (const _bytes of readable) this.#joined.resolve();
    } catch (error) {
      if (!this.#isLeaving) this.#joined.reject(error);
    }
  }

  /** Answers the sequence of the state. */
  sendState(): number {
    const sequence = this.#account.ledger.sent(this.#index);
    const state = cursorState(this.#index, sequence);
    // Where the server does not write who has sent a signal, the sender does.
    const name = this.#command.speaksSignals ? undefined : memberId(this.#index);
    this.#send(signal("peer_state", this.#channel, name, state));
    return sequence;
  }

  close(): void {
    this.#isLeaving = true;
    this.#transport?.close({ closeCode: 0, reason: "" });
  }

  #send(datagram: Uint8Array): void {
    // Its end is told by the session.
    this.#datagrams?.write(datagram).catch(() => undefined);
  }

  async #hear(transport: WebTransport): Promise<void> {
    const reader = transport.datagrams.readable.getReader();
    try {
      for (;;) {
        const { value } = await reader.read();
        if (value === undefined) return;
        this.#heard(Buffer.from(value.buffer, value.byteOffset, value.length));
      }
    } catch (error) {
      if (!this.#isLeaving) this.#joined.reject(error);
    }
  }

  #heard(datagram: Buffer): void {
    if (datagram[0] !== SEVERAL) {
      this.#signal(datagram);
      this.#account.datagrams.count += 1;
      return;
    }
    for (let at = 1; at < datagram.length; ) {
      const end = at + 2 + datagram.readUInt16BE(at);
      this.#signal(datagram.subarray(at + 2, end));
      at = end;
    }
    this.#account.datagrams.count += 1;
  }

  #signal(message: Buffer): void {
    const { ledger, hearers } = this.#account;
    const { op, member } = readSignal(this.#channel, message, 0, message.length);
    if (op === "channel_join") this.#joined.resolve();
    if (op !== "peer_state") return;
    ledger.bytes += message.length;
    const sequence = readSequence(message, message.length);
    hearers[sequence] = (hearers[sequence] ?? 0) + 1;
    ledger.state(this.#index, member, sequence);
  }

  #ended(): void {
    if (!this.#isLeaving) this.#account.ledger.closed(this.#index);
  }
}
