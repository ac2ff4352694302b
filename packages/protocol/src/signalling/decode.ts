import type { ErrorName } from "../errors.ts";
import { type Envelope, readEnvelope } from "./envelope.ts";
import type { SignalLimits } from "./limits.ts";
import type {
  Ack,
  ClientData,
  ClientJoin,
  ClientPeerSignal,
  ClientSignal,
  ErrorSignal,
  Ping,
  Position,
  Request,
  ServerData,
  ServerPeerSignal,
  ServerSignal,
  SignalVersion,
  Subscribe,
  Wanted,
} from "./messages.ts";
import { isMapPayload } from "./payload.ts";
import type { Fault } from "./reader.ts";

/** A message that is refused, with what an answer to it can repeat. */
export interface DecodeFault {
  readonly ok: false;
  readonly error: ErrorName;
  /** What is wrong, more exactly than the catalogue says it. */
  readonly message: string;
  /** The number of the request, where it could be read. */
  readonly id?: number;
  /** The channel, where it could be read. */
  readonly c?: string;
}

export type DecodeResult<Signal = ClientSignal> =
  | { readonly ok: true; readonly signal: Signal }
  | DecodeFault;

type Draft<Signal> = { -readonly [Key in keyof Signal]: Signal[Key] };

/**
 * Decodes what a client sent. Never throws, whatever the bytes; payloads are views of them and are
 * not decoded. A state is looked over, since readers in the field stop for good at a bad one.
 *
 * `version` is what the connection asked for: in version 1 the ops of version 2 are unknown, and
 * its members mean nothing.
 */
export function decodeSignal(
  bytes: Uint8Array,
  limits: SignalLimits,
  version: SignalVersion = 1,
): DecodeResult {
  const envelope = readEnvelope(bytes, limits, version);
  const signal = envelope.fault ?? clientSignal(envelope, limits, version);
  return "error" in signal ? refuse(envelope, signal) : { ok: true, signal };
}

/** Decodes what a server sent, of either version. Never throws; payloads are views of `bytes`. */
export function decodeServerSignal(
  bytes: Uint8Array,
  limits: SignalLimits,
): DecodeResult<ServerSignal> {
  const envelope = readEnvelope(bytes, limits, "server");
  const signal = envelope.fault ?? serverSignal(envelope);
  return "error" in signal ? refuse(envelope, signal) : { ok: true, signal };
}

function refuse({ id, c }: Envelope, { error, message }: Fault): DecodeFault {
  const result: Draft<DecodeFault> = { ok: false, error, message };
  if (id !== undefined) result.id = id;
  if (c !== undefined) result.c = c;
  return result;
}

function clientSignal(
  envelope: Envelope,
  limits: SignalLimits,
  version: SignalVersion,
): ClientSignal | Fault {
  const { t, op, c, p = "", pl, id } = envelope;
  if (t === "data") {
    if (c === undefined || c === "") return missing("c");
    const signal: Draft<ClientData> = { t, c, p };
    if (pl !== undefined) signal.pl = pl;
    if (id !== undefined) signal.id = id;
    return payloadFault(pl, limits) ?? signal;
  }
  if (t !== "control") return unknown("t");
  switch (op) {
    case "channel_join": {
      if (c === undefined || c === "") return missing("c");
      const signal: Draft<ClientJoin> = { t, op, c, p };
      if (pl !== undefined) signal.pl = pl;
      return stateFault(pl, limits) ?? withWanted(signal, envelope);
    }
    case "peer_online":
    case "peer_state":
    case "peer_offline": {
      if (c === undefined || c === "") return missing("c");
      const signal: Draft<ClientPeerSignal> = { t, op, c, p };
      if (pl !== undefined) signal.pl = pl;
      if (id !== undefined) signal.id = id;
      const fault = op === "peer_state" ? stateFault(pl, limits) : payloadFault(pl, limits);
      return fault ?? signal;
    }
    default:
      return version === 1 ? unknown("op") : version2Signal(envelope);
  }
}

function version2Signal(envelope: Envelope): ClientSignal | Fault {
  const { op, c, id, ts, tk } = envelope;
  const t = "control";
  switch (op) {
    case "subscribe":
      if (c === undefined || c === "") return missing("c");
      return withWanted<Draft<Subscribe>>({ t, op, c }, envelope);
    case "unsubscribe":
      if (c === undefined || c === "") return missing("c");
      return id === undefined ? { t, op, c } : { t, op, c, id };
    case "ping": {
      const signal: Draft<Ping> = { t, op };
      if (id !== undefined) signal.id = id;
      if (ts !== undefined) signal.ts = ts;
      return signal;
    }
    case "auth":
      if (tk === undefined || tk === "") return missing("tk");
      return id === undefined ? { t, op, tk } : { t, op, tk, id };
    default:
      return unknown("op");
  }
}

function withPosition<Signal extends Draft<Request & Position>>(
  signal: Signal,
  { id, ep, off }: Envelope,
): Signal {
  if (id !== undefined) signal.id = id;
  if (ep !== undefined) signal.ep = ep;
  if (off !== undefined) signal.off = off;
  return signal;
}

function withWanted<Signal extends Draft<Request & Wanted>>(
  signal: Signal,
  envelope: Envelope,
): Signal {
  if (envelope.last !== undefined) signal.last = envelope.last;
  return withPosition(signal, envelope);
}

function serverSignal(envelope: Envelope): ServerSignal | Fault {
  const { t, op, c, p = "", pl, mesh, off } = envelope;
  if (t === "data") {
    if (c === undefined) return missing("c");
    const signal: Draft<ServerData> = { t, c, p };
    if (pl !== undefined) signal.pl = pl;
    if (mesh !== undefined) signal.mesh = mesh;
    if (off !== undefined) signal.off = off;
    return signal;
  }
  if (t !== "control") return unknown("t");
  switch (op) {
    case "channel_join":
    case "peer_online":
    case "peer_state":
    case "peer_offline": {
      if (c === undefined) return missing("c");
      const signal: Draft<ServerPeerSignal> = { t, op, c, p };
      if (pl !== undefined) signal.pl = pl;
      if (mesh !== undefined) signal.mesh = mesh;
      return signal;
    }
    default:
      return answer(envelope);
  }
}

function answer(envelope: Envelope): ServerSignal | Fault {
  const { op, c, id, code, msg, ts, ms, more, rec } = envelope;
  const t = "control";
  switch (op) {
    case "ack": {
      if (id === undefined) return missing("id");
      const signal = withPosition<Draft<Ack>>({ t, op, id }, envelope);
      if (c !== undefined) signal.c = c;
      if (rec !== undefined) signal.rec = rec;
      return signal;
    }
    case "error": {
      if (code === undefined || msg === undefined) return missing("code or msg");
      const signal: Draft<ErrorSignal> = { t, op, code, msg };
      if (id !== undefined) signal.id = id;
      if (c !== undefined) signal.c = c;
      return signal;
    }
    case "snapshot":
      if (c === undefined || ms === undefined) return missing("c or ms");
      return more === true ? { t, op, c, ms, more } : { t, op, c, ms };
    case "pong":
      if (ts === undefined) return missing("ts");
      return id === undefined ? { t, op, ts } : { t, op, ts, id };
    case "notice":
      if (code === undefined || msg === undefined || ts === undefined) {
        return missing("code, msg or ts");
      }
      return { t, op, code, msg, ts };
    default:
      return unknown("op");
  }
}

function payloadFault(pl: Uint8Array | undefined, limits: SignalLimits): Fault | undefined {
  if (pl === undefined || pl.length <= limits.payloadBytes) return undefined;
  const message = `pl has more than ${limits.payloadBytes} bytes`;
  return { error: "payload_too_large", message };
}

function stateFault(pl: Uint8Array | undefined, limits: SignalLimits): Fault | undefined {
  if (pl === undefined) return undefined;
  if (pl.length > limits.stateBytes) {
    return { error: "state_too_large", message: `pl has more than ${limits.stateBytes} bytes` };
  }
  if (isMapPayload(pl, limits)) return undefined;
  return { error: "invalid_state", message: "pl is not one well-formed map" };
}

function missing(name: string): Fault {
  return { error: "invalid_signal", message: `${name} is missing or empty` };
}

function unknown(name: string): Fault {
  return { error: "unknown_signal", message: `${name} is none that the protocol knows` };
}
