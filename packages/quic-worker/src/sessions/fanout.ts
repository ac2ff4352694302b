import type { Fanout } from "@starling/core/ports.ts";
import { type Outgoing, outgoing } from "./outgoing.ts";

/** A socket as the fan-out sees it. */
export interface Receiver {
  /** As `MessageSocket.send`; `mayBeLost` is for what need not arrive. */
  enqueue(message: Outgoing, mayBeLost: boolean): number;
}

/** Hands one message to every session in a topic. */
export class SessionFanout implements Fanout {
  readonly #topics = new Map<string, Set<Receiver>>();

  /** Topics with somebody in them. */
  get size(): number {
    return this.#topics.size;
  }

  publish(topic: string, message: string | Uint8Array): number {
    return this.hand(topic, message, false, undefined);
  }

  publishUnreliable(topic: string, message: string | Uint8Array): number {
    return this.hand(topic, message, true, undefined);
  }

  /** `publish` to all but one; the worst of their answers. */
  hand(
    topic: string,
    message: string | Uint8Array,
    mayBeLost: boolean,
    except: Receiver | undefined,
  ): number {
    const receivers = this.#topics.get(topic);
    if (receivers === undefined) return 0;
    const shared = outgoing(message);
    let [isBuffered, isLost] = [false, false];
    for (const receiver of receivers) {
      if (receiver === except) continue;
      const outcome = receiver.enqueue(shared, mayBeLost);
      if (outcome < 0) isBuffered = true;
      else if (outcome === 0) isLost = true;
    }
    if (isLost) return 0;
    return isBuffered ? -1 : 1;
  }

  subscribe(topic: string, receiver: Receiver): void {
    const receivers = this.#topics.get(topic);
    if (receivers === undefined) this.#topics.set(topic, new Set([receiver]));
    else receivers.add(receiver);
  }

  unsubscribe(topic: string, receiver: Receiver): void {
    const receivers = this.#topics.get(topic);
    if (receivers?.delete(receiver) && receivers.size === 0) this.#topics.delete(topic);
  }
}
