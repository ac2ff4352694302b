import { MAX_TIMER_MS } from "./bounds.ts";
import { nodeId, wholeNumber } from "./value-types.ts";
import type { Variable } from "./variable.ts";

const MIB = 1_048_576;

/** The variables of the signalling protocol and of server-sent events. */
export const signallingVariables = {
  meshId: {
    name: "MESH_ID",
    group: "Signalling",
    type: nodeId(),
    default: undefined,
    otherwise: "messages of the signalling protocol name no node",
    description:
      "Name of this node, in messages of the signalling protocol, in the header `X-Prscd-MeshID` of its " +
      "handshake, in requests of hooks, and in a [mesh](../guide/mesh.md), where each node needs one, and no " +
      "two may have the same.",
    source: "the presence backend",
  },
  signalMaxPayloadBytes: {
    name: "SIGNAL_MAX_PAYLOAD",
    group: "Signalling",
    type: wholeNumber(1_024, 16 * MIB),
    unit: "bytes",
    default: "65536",
    description:
      "Largest payload of a message of the signalling protocol; channel, names and token come on " +
      "top of it.",
    source: "Starling",
  },
  signalMaxStateBytes: {
    name: "SIGNAL_MAX_STATE",
    group: "Signalling",
    type: wholeNumber(1, MIB),
    unit: "bytes",
    default: "4096",
    description: "Largest state that a member of a channel may have there.",
    source: "Starling",
  },
  signalPingIntervalMs: {
    name: "SIGNAL_PING_INTERVAL",
    group: "Signalling",
    type: wholeNumber(100, MAX_TIMER_MS),
    unit: "milliseconds",
    default: "10000",
    description: "Time between the pings that a client of the signalling protocol gets.",
    source: "Starling",
  },
  signalPingTimeoutMs: {
    name: "SIGNAL_PING_TIMEOUT",
    group: "Signalling",
    type: wholeNumber(100, MAX_TIMER_MS),
    unit: "milliseconds",
    default: "20000",
    description:
      "Time within which such a client must show that it is there before it is disconnected.",
    source: "Starling",
  },
  sseHeartbeatMs: {
    name: "SSE_HEARTBEAT",
    group: "Signalling",
    type: wholeNumber(100, MAX_TIMER_MS),
    unit: "milliseconds",
    default: "15000",
    description:
      "Time after which a stream of server-sent events gets a comment where nothing else was " +
      "sent, so that no proxy takes it for dead.",
    source: "Starling",
  },
} as const satisfies Record<string, Variable>;
