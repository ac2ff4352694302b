/** How large the parts of a signal may be. */
export interface SignalLimits {
  /** Bytes of one whole message. */
  readonly messageBytes: number;
  /** Bytes of the payload of `data`, and of any payload that is no state. */
  readonly payloadBytes: number;
  /** Bytes of the state in `channel_join` and `peer_state`. */
  readonly stateBytes: number;
  /** UTF-16 code units of a channel, a client id, a mesh id and an epoch. */
  readonly nameLength: number;
  /** UTF-16 code units of the text of an error or a notice. */
  readonly textLength: number;
  /** UTF-16 code units of a token. */
  readonly tokenLength: number;
  /** Maps and arrays within one another, the outermost included; a payload counts from 1 again. */
  readonly depth: number;
}

/** What a message may hold beside its payload or its token: keys, names, numbers. */
const ENVELOPE_BYTES = 4096;

/** The limits of which only the payload's and the state's are a matter of configuration. */
export function signalLimits(payloadBytes = 65_536, stateBytes = 4096): SignalLimits {
  const tokenLength = 8192;
  return {
    messageBytes: Math.max(payloadBytes, stateBytes, tokenLength) + ENVELOPE_BYTES,
    payloadBytes,
    stateBytes,
    nameLength: 255,
    textLength: 1024,
    tokenLength,
    depth: 32,
  };
}

export const defaultSignalLimits: SignalLimits = signalLimits();
