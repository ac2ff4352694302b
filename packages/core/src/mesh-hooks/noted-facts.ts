import type { NodeObserver } from "../broker/observer.ts";
import type { HookEventType } from "../hooks/events.ts";
import type { Member } from "../hub/member.ts";
import type { Fact } from "./facts.ts";

/** Whether any hook of an app is for such events. */
export type Wants = (app: string, type: HookEventType) => boolean;

/** What a node hears of channels, members and connections, as facts, where any hook is for them. */
export class NotedFacts implements NodeObserver {
  readonly #wants: Wants;
  readonly #note: (op: "on" | "off", fact: Fact) => void;

  constructor(wants: Wants, note: (op: "on" | "off", fact: Fact) => void) {
    this.#wants = wants;
    this.#note = note;
  }

  opened(app: string, channel: string): void {
    this.#noteWanted("on", { kind: "channel", app, channel });
  }

  closed(app: string, channel: string): void {
    this.#noteWanted("off", { kind: "channel", app, channel });
  }

  joined(app: string, channel: string, { connection, clientId, user }: Member): void {
    this.#noteWanted("on", { kind: "member", app, channel, connection, clientId, user });
  }

  left(app: string, channel: string, { connection, clientId, user }: Member): void {
    this.#noteWanted("off", { kind: "member", app, channel, connection, clientId, user });
  }

  connected(app: string, connection: string, user: string | undefined): void {
    this.#noteWanted("on", { kind: "connection", app, connection, user });
  }

  disconnected(app: string, connection: string, user: string | undefined): void {
    this.#noteWanted("off", { kind: "connection", app, connection, user });
  }

  #noteWanted(op: "on" | "off", fact: Fact): void {
    const [begins, ends] = EVENTS[fact.kind];
    if (this.#wants(fact.app, begins) || this.#wants(fact.app, ends)) this.#note(op, fact);
  }
}

const EVENTS = {
  channel: ["occupied", "vacated"],
  member: ["join", "leave"],
  connection: ["connect", "disconnect"],
} as const satisfies Record<Fact["kind"], readonly [HookEventType, HookEventType]>;
