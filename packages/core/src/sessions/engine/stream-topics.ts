import type { Fanout, MessageSocket } from "../../ports.ts";

/** Fan-out to sockets of a runtime that has no topics of its own. */
export class StreamTopics implements Fanout {
  readonly #topics = new Map<string, Set<MessageSocket>>();

  /** Topics with somebody in them. */
  get size(): number {
    return this.#topics.size;
  }

  has(topic: string): boolean {
    return this.#topics.has(topic);
  }

  join(topic: string, socket: MessageSocket): void {
    const sockets = this.#topics.get(topic);
    if (sockets === undefined) this.#topics.set(topic, new Set([socket]));
    else sockets.add(socket);
  }

  leave(topic: string, socket: MessageSocket): void {
    const sockets = this.#topics.get(topic);
    if (sockets?.delete(socket) && sockets.size === 0) this.#topics.delete(topic);
  }

  publish(topic: string, message: string | Uint8Array, except?: MessageSocket): number {
    const sockets = this.#topics.get(topic);
    if (sockets === undefined) return 0;
    let [isBuffered, isLost] = [false, false];
    for (const socket of sockets) {
      if (socket === except) continue;
      const outcome = socket.send(message);
      if (outcome < 0) isBuffered = true;
      else if (outcome === 0) isLost = true;
    }
    if (isLost) return 0;
    return isBuffered ? -1 : 1;
  }
}
