import type { HooksOptions } from "../hooks/hooks.ts";
import type { AfterTurn } from "../ports.ts";
import type { HookTransport } from "./messages.ts";

export interface MeshHooksOptions extends HooksOptions {
  /** Names this start of the node, among all of all times. */
  readonly start: string;
  /** When it was, ms since the epoch. */
  readonly since: number;
  readonly transport: HookTransport;
  readonly afterTurn: AfterTurn;
  /** Milliseconds after which a node that is silent is gone. */
  readonly leaseMs: number;
}
