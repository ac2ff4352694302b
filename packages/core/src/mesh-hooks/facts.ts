import type { HookEvent } from "../hooks/events.ts";

/** Something that holds as long as any node says so, and of which hooks tell when it begins and ends. */
export type Fact =
  /** A channel has subscribers. */
  | { readonly kind: "channel"; readonly app: string; readonly channel: string }
  | {
      readonly kind: "member";
      readonly app: string;
      readonly channel: string;
      readonly connection: string;
      readonly clientId: string;
      readonly user: string | undefined;
    }
  | {
      readonly kind: "connection";
      readonly app: string;
      readonly connection: string;
      readonly user: string | undefined;
    };

export type FactKind = Fact["kind"];

/** The same for the same fact of any node; names of apps and ids of connections have no line breaks. */
export function keyOf(fact: Fact): string {
  switch (fact.kind) {
    case "channel":
      return `c\n${fact.app}\n${fact.channel}`;
    case "member":
      return `m\n${fact.app}\n${fact.connection}\n${fact.channel}`;
    case "connection":
      return `n\n${fact.app}\n${fact.connection}`;
  }
}

/** What is told when a fact begins to hold, or holds no more. */
export function eventOf(fact: Fact, holds: boolean): HookEvent {
  const { app } = fact;
  switch (fact.kind) {
    case "channel":
      return { type: holds ? "occupied" : "vacated", app, channel: fact.channel };
    case "member": {
      const { channel, connection, clientId, user } = fact;
      return { type: holds ? "join" : "leave", app, channel, connection, clientId, user };
    }
    case "connection":
      return {
        ...{ type: holds ? "connect" : "disconnect", app },
        ...{ connection: fact.connection, user: fact.user },
      };
  }
}

/** Facts by their keys, in the order in which they came to hold. */
export type Facts = Map<string, Fact>;

/** What a node says of a fact, or of what it knows as a former sender. */
export type Change =
  | { readonly op: "on" | "off"; readonly fact: Fact }
  /** As the sender of another part of the mesh the node told that this begins, and not that it ends. */
  | { readonly op: "ended"; readonly fact: Fact }
  /** As the sender of another part of the mesh the node told last that this has ended. */
  | { readonly op: "emptied"; readonly fact: Fact }
  /** As the sender of another part of the mesh the node told that all facts of a start have ended. */
  | { readonly op: "doubted"; readonly start: string };

/** A change in the log of the node that it happened on. */
export interface LogRecord {
  /** Counts the changes of one start of a node, from 1. */
  readonly seq: number;
  /** Milliseconds since the Unix epoch. */
  readonly at: number;
  readonly change: Change;
}

/** Applies a change to the facts of one node. */
export function applyTo(facts: Facts, change: Change): void {
  if (change.op === "on") facts.set(keyOf(change.fact), change.fact);
  else if (change.op === "off") facts.delete(keyOf(change.fact));
}
