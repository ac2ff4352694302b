import { GIB, MAX_TIMER_MS } from "./bounds.ts";
import { wholeNumber } from "./value-types.ts";
import type { Variable } from "./variable.ts";

/** The variables of limits. */
export const limitVariables = {
  connectRatePerUser: {
    name: "CONNECT_RATE_PER_USER",
    group: "Limits",
    type: wholeNumber(0, 1_000_000),
    unit: "connections a second",
    default: "1",
    description:
      "New connections of one user id; more fail with `rate limit block`. 0 is no limit.",
    source: "Starling",
  },
  connectRatePerAddress: {
    name: "CONNECT_RATE_PER_ADDRESS",
    group: "Limits",
    type: wholeNumber(0, 1_000_000),
    unit: "connections a second",
    default: "50",
    description: "New connections from one client address. 0 is no limit.",
    source: "Starling",
  },
  apiRatePerKey: {
    name: "API_RATE_PER_KEY",
    group: "Limits",
    type: wholeNumber(0, 1_000_000),
    unit: "requests a second",
    default: "0",
    description: "Requests of one API key; more are answered 429. 0 is no limit.",
    source: "Starling",
  },
  maxBodyBytes: {
    name: "MAX_BODY_BYTES",
    group: "Limits",
    type: wholeNumber(1, GIB),
    unit: "bytes",
    default: "1048576",
    description: "Largest body of a publish request; a larger one is answered 413.",
    source: "Starling",
  },
  slowConsumerBytes: {
    name: "SLOW_CONSUMER_BYTES",
    group: "Limits",
    type: wholeNumber(16_384, GIB),
    unit: "bytes",
    default: "1048576",
    description:
      "What may wait in memory for one connection that reads too slowly; beyond that it is " +
      "disconnected with a code that makes the client connect again.",
    source: "Starling",
  },
  maxChannelsPerConnection: {
    name: "MAX_CHANNELS_PER_CONNECTION",
    group: "Limits",
    type: wholeNumber(1, 10_000),
    default: "128",
    description: "Channels that one connection may be subscribed to; more are refused.",
    source: "Starling",
  },
  historyMaxBytes: {
    name: "HISTORY_MAX_BYTES",
    group: "Limits",
    type: wholeNumber(65_536, 64 * GIB),
    unit: "bytes",
    default: "67108864",
    description:
      "What the [histories](../guide/recovery.md) of all channels may take together, about, in " +
      "the memory of the process or of the supervisor. Beyond that whole channels are forgotten, " +
      "those first that were used the longest ago; whoever comes back to one is told.",
    source: "Starling",
  },
  messageRatePerConnection: {
    name: "MESSAGE_RATE_PER_CONNECTION",
    group: "Limits",
    type: wholeNumber(0, 1_000_000),
    unit: "messages a second",
    default: "200",
    description:
      "Messages that one connection may send for ever; after a rest it may send twice as many at " +
      "once. 0 is no limit.",
    source: "Starling",
  },
  maxHandshakes: {
    name: "MAX_PENDING_HANDSHAKES",
    group: "Limits",
    type: wholeNumber(1, 10_000_000),
    unit: "connections",
    default: "5000",
    description: "Connections that may be unauthenticated at one time; more are answered 503.",
    source: "Starling",
  },
  authTimeoutMs: {
    name: "AUTH_TIMEOUT",
    group: "Limits",
    type: wholeNumber(100, MAX_TIMER_MS),
    unit: "milliseconds",
    default: "10000",
    description: "Time that a connection has to authenticate before it is closed.",
    source: "Starling",
  },
} as const satisfies Record<string, Variable>;
