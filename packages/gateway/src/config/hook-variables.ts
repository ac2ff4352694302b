import { DAY_MS, GIB, MAX_TIMER_MS } from "./bounds.ts";
import { MIN_HOOK_SECRET_LENGTH } from "./hooks.ts";
import { keyList, wholeNumber } from "./value-types.ts";
import type { Variable } from "./variable.ts";

/** The variables of all hooks; the file of `CONFIG_FILE` says which there are. */
export const hookVariables = {
  hooksSecrets: {
    name: "HOOKS_SECRETS",
    group: "Hooks",
    type: keyList(MIN_HOOK_SECRET_LENGTH),
    default: undefined,
    otherwise: "every hook names its own in `CONFIG_FILE`",
    secret: true,
    description:
      "Secrets that sign the requests of [hooks](../guide/hooks.md) without `secrets` of their own; " +
      "each adds a signature, so that they can be exchanged one by one.",
    source: "Starling",
  },
  hooksBatchEvents: {
    name: "HOOKS_BATCH_EVENTS",
    group: "Hooks",
    type: wholeNumber(1, 10_000),
    default: "100",
    description: "Events of one request, at most; their bytes are 256 KiB at most.",
    source: "Starling",
  },
  hooksBatchMs: {
    name: "HOOKS_BATCH_DELAY",
    group: "Hooks",
    type: wholeNumber(0, 60_000),
    unit: "milliseconds",
    default: "100",
    description: "How long an event may wait for others that are sent in the same request.",
    source: "Starling",
  },
  hooksTimeoutMs: {
    name: "HOOKS_TIMEOUT",
    group: "Hooks",
    type: wholeNumber(10, 60_000),
    unit: "milliseconds",
    default: "5000",
    description: "Time that a receiver has for its answer.",
    source: "Starling",
  },
  hooksQueueEvents: {
    name: "HOOKS_QUEUE_EVENTS",
    group: "Hooks",
    type: wholeNumber(1, 10_000_000),
    default: "100000",
    description:
      "Events that may wait for one hook, beside those on their way. Beyond that the oldest are dropped; " +
      "the receiver is told how many.",
    source: "Starling",
  },
  hooksQueueBytes: {
    name: "HOOKS_QUEUE_BYTES",
    group: "Hooks",
    type: wholeNumber(65_536, GIB),
    unit: "bytes",
    default: "33554432",
    description: "The same in bytes.",
    source: "Starling",
  },
  hooksMaxAgeMs: {
    name: "HOOKS_MAX_AGE",
    group: "Hooks",
    type: wholeNumber(1_000, 7 * DAY_MS),
    unit: "milliseconds",
    default: "3600000",
    description:
      "How long an event is sent again and again. What is older is dropped, counted, and the receiver " +
      "is told how much.",
    source: "Starling",
  },
  hooksVacatedMs: {
    name: "HOOKS_VACATED_DELAY",
    group: "Hooks",
    type: wholeNumber(0, 3_600_000),
    unit: "milliseconds",
    default: "3000",
    description:
      "How long a channel must have had no subscriber before `vacated` is sent. Whoever comes back " +
      "within that time causes neither `vacated` nor another `occupied`.",
    source: "Starling",
  },
  hooksDrainMs: {
    name: "HOOKS_DRAIN",
    group: "Hooks",
    type: wholeNumber(0, MAX_TIMER_MS),
    unit: "milliseconds",
    default: "5000",
    description:
      "How long a stop goes on sending what waits, when all clients are gone. What is left then is " +
      "counted, logged and lost.",
    source: "Starling",
  },
} as const satisfies Record<string, Variable>;
