import type { Fanout } from "@starling/core/ports.ts";
import type { EngineStreams } from "@starling/core/sessions/engine/stream-transport.ts";
import type { SessionFanout } from "./fanout.ts";

/** Reaches the sockets of both protocols; none has a topic of the other. */
export class CombinedFanout implements Fanout {
  readonly #sessions: SessionFanout;
  readonly #engine: EngineStreams["fanout"];

  constructor(sessions: SessionFanout, engine: EngineStreams["fanout"]) {
    this.#sessions = sessions;
    this.#engine = engine;
  }

  publish(topic: string, message: string | Uint8Array): number {
    const fanout = this.#engine.has(topic) ? this.#engine : this.#sessions;
    return fanout.publish(topic, message);
  }

  publishUnreliable(topic: string, message: string | Uint8Array): number {
    if (this.#engine.has(topic)) return this.#engine.publish(topic, message);
    return this.#sessions.publishUnreliable(topic, message);
  }
}
