import type { PresencePeer, SubscriberDialect, SubscriberSession } from "../peers/peer.ts";
import { Connection, type ConnectionObserver } from "./connection.ts";
import { Ledger } from "./ledger.ts";
import type { EnterCommand, Entered } from "./protocol.ts";
import { settled } from "./settled.ts";
import { cursorState, memberId, readSequence, readSignal, signal } from "./signals.ts";

/** Members of one channel that hear and answer one another, each over a connection of its own. */
export class Crowd {
  readonly ledger: Ledger;
  readonly #peer: PresencePeer;
  readonly #command: EnterCommand;
  readonly #members: (Member | undefined)[];

  constructor(peer: PresencePeer, command: EnterCommand) {
    this.#peer = peer;
    this.#command = command;
    this.ledger = new Ledger(command.count);
    this.#members = new Array(command.count);
  }

  get conflates(): boolean {
    return this.#peer.conflates;
  }

  get size(): number {
    return this.#command.count;
  }

  /** Lets everybody join, a bounded number at a time, and waits until nothing more is heard. */
  async enter(): Promise<Entered> {
    const { count, window, timeoutMs, dance } = this.#command;
    const { ledger } = this;
    const began = performance.now();
    let next = 0;
    const lane = async (): Promise<void> => {
      while (next < count) {
        const member = new Member(next, this.#peer, this.#command, ledger);
        this.#members[next] = member;
        next += 1;
        await member.open(timeoutMs);
      }
    };
    await Promise.all(Array.from({ length: window }, lane));
    const joinedSeconds = (performance.now() - began) / 1000;
    await settled(() => ledger.deliveries);
    return {
      joinedSeconds,
      seconds: Math.max(joinedSeconds, (ledger.latestAt - began) / 1000),
      ...ledger.counts(),
      strangers: dance === "none" ? 0 : ledger.strangers(dance === "answered"),
    };
  }

  /** Sends a member's next state; answers false when its connection would not take it now. */
  sendState(index: number): boolean {
    const member = this.#members[index];
    if (member?.isWritable !== true) return false;
    member.sendState();
    return true;
  }
}

/** One member: it joins, tells the others, answers newcomers, and keeps account of what it hears. */
class Member implements SubscriberDialect {
  readonly #index: number;
  readonly #peer: PresencePeer;
  readonly #command: EnterCommand;
  readonly #ledger: Ledger;
  #connection: Connection | undefined;
  #session: SubscriberSession | undefined;

  constructor(index: number, peer: PresencePeer, command: EnterCommand, ledger: Ledger) {
    this.#index = index;
    this.#peer = peer;
    this.#command = command;
    this.#ledger = ledger;
  }

  get isWritable(): boolean {
    return this.#connection?.isWritable === true;
  }

  async open(timeoutMs: number): Promise<void> {
    const url = new URL(this.#command.url);
    const observer: ConnectionObserver = {
      // Everything is in the ledger by then.
      received: () => undefined,
      closed: () => this.#ledger.closed(this.#index),
    };
    this.#connection = await Connection.open(url, this, observer, timeoutMs);
  }

  get path(): string {
    return this.#peer.memberPath(this.#command.channel, memberId(this.#index));
  }

  opened(session: SubscriberSession): void {
    this.#session = session;
    if (this.#peer.speaksSignals) {
      const state = cursorState(this.#index, 0);
      session.send(signal("channel_join", this.#command.channel, undefined, state));
    } else {
      this.#joined(session);
    }
  }

  received(session: SubscriberSession, buffer: Buffer, start: number, end: number): number {
    const { op, member } = readSignal(this.#command.channel, buffer, start, end);
    if (op === "channel_join") {
      this.#joined(session);
      return 0;
    }
    if (op === "peer_state") {
      this.#ledger.state(this.#index, member, readSequence(buffer, end));
    } else {
      this.#ledger.online(this.#index, member);
      if (this.#command.dance === "answered") this.sendState();
    }
    this.#ledger.bytes += end - start;
    return 0;
  }

  sendState(): void {
    const state = cursorState(this.#index, this.#ledger.sent(this.#index));
    this.#session?.send(signal("peer_state", this.#command.channel, this.#name(), state));
  }

  #joined(session: SubscriberSession): void {
    session.join();
    if (this.#command.dance === "none") return;
    session.send(signal("peer_online", this.#command.channel, this.#name()));
    this.sendState();
  }

  /** Where the server does not write who has sent a signal, the sender does. */
  #name(): string | undefined {
    return this.#peer.speaksSignals ? undefined : memberId(this.#index);
  }
}
