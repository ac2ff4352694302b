/** The signals of the signalling protocol, version 1, that members of a bench exchange. */
export type Op = "channel_join" | "peer_online" | "peer_state";

const DIGITS = 5;
const HEAD = "_t_control_op_".length;
const FIXSTR = 0xa0;

/** Client id of a member, as long for every member. */
export function memberId(index: number): string {
  return `m${String(index).padStart(DIGITS, "0")}`;
}

/** A state such as a page of shared cursors sends, 62 bytes; `sequence` counts those of a run. */
export function cursorState(index: number, sequence: number): Buffer {
  const id = memberId(index);
  const number = Buffer.alloc(4);
  number.writeUInt32BE(sequence);
  return Buffer.concat([
    map(5),
    ...[text("id"), text(id)],
    ...[text("name"), text(id)],
    ...[text("color"), text("#c04080")],
    ...[text("cursor"), map(2), text("x"), uint16(sequence), text("y"), uint16(index)],
    // Last and of fixed width, so that who counts finds it without decoding.
    ...[text("n"), Buffer.from([0xce]), number],
  ]);
}

/** A signal in the canonical form; `p` only from a server, or from a client that plays one. */
export function signal(op: Op, c: string, p?: string, pl?: Uint8Array): Buffer {
  return Buffer.concat([
    map(3 + (p === undefined ? 0 : 1) + (pl === undefined ? 0 : 1)),
    ...[text("t"), text("control"), text("op"), text(op), text("c"), text(c)],
    ...(p === undefined ? [] : [text("p"), text(p)]),
    ...(pl === undefined ? [] : [text("pl"), Buffer.from([0xc4, pl.length]), pl]),
  ]);
}

/** A subscription of version 2 that is acknowledged, from a position `EPOCH.OFFSET` on where there is one. */
export function subscription(c: string, since: string | undefined): Buffer {
  const [epoch, offset] = since?.split(".") ?? [];
  const number = Buffer.alloc(4);
  number.writeUInt32BE(Number(offset ?? 0));
  return Buffer.concat([
    map(4 + (epoch === undefined ? 0 : 2)),
    ...[text("t"), text("control"), text("op"), text("subscribe"), text("c"), text(c)],
    ...[text("id"), Buffer.from([1])],
    ...(epoch === undefined
      ? []
      : [text("ep"), text(epoch), text("off"), Buffer.from([0xce]), number]),
  ]);
}

/** What a member reads of a server's signal. */
export interface Heard {
  readonly op: Op;
  /** Number of the member that it speaks of; -1 in the answer to a join. */
  readonly member: number;
}

/**
 * Reads the op and the member of a server's signal in `channel`, the bytes `buffer[start, end)`, by
 * their places alone: decoding would cost the load client more than delivery costs a server.
 */
export function readSignal(channel: string, buffer: Buffer, start: number, end: number): Heard {
  const op = opAt(buffer, start + HEAD);
  if (op === undefined) {
    throw new Error(`unexpected signal ${buffer.toString("hex", start, end)}`);
  }
  if (op === "channel_join") return { op, member: -1 };
  // Behind the op: `a1 63`, the channel with its head, `a1 70`, the head of the id, the `m`.
  let at = start + HEAD + 1 + op.length + 2 + 1 + channel.length + 2 + 1 + 1;
  let member = 0;
  for (const last = at + DIGITS; at < last; at += 1) {
    const digit = (buffer[at] ?? 0) - 0x30;
    if (digit < 0 || digit > 9) {
      throw new Error(`signal of a stranger ${buffer.toString("hex", start, end)}`);
    }
    member = member * 10 + digit;
  }
  return { op, member };
}

/** The sequence of the state that a message ends with. */
export function readSequence(buffer: Buffer, end: number): number {
  return buffer.readUInt32BE(end - 4);
}

function opAt(buffer: Buffer, at: number): Op | undefined {
  switch (buffer[at]) {
    case FIXSTR | "peer_state".length:
      return "peer_state";
    case FIXSTR | "peer_online".length:
      return "peer_online";
    case FIXSTR | "channel_join".length:
      // `peer_offline` is as long.
      return buffer[at + 1] === 0x63 ? "channel_join" : undefined;
    default:
      return undefined;
  }
}

/** A short text; all that the bench writes has fewer than 32 ASCII characters. */
function text(value: string): Buffer {
  if (value.length > 31) throw new Error("texts of 32 and more bytes are not written");
  return Buffer.concat([Buffer.from([FIXSTR | value.length]), Buffer.from(value, "latin1")]);
}

function map(pairs: number): Buffer {
  return Buffer.from([0x80 | pairs]);
}

/** Of fixed width, so that every state of a run is as long. */
function uint16(value: number): Buffer {
  return Buffer.from([0xcd, (value >> 8) & 0xff, value & 0xff]);
}
