/**
 * Classic BPF programs that a group of SO_REUSEPORT listeners runs on new connections.
 *
 * Sources: the kernel's Documentation/networking/filter.rst and linux/filter.h for the instructions,
 * socket(7) under SO_ATTACH_REUSEPORT_CBPF for what an answer means.
 */

/** One `struct sock_filter`. */
export interface Instruction {
  readonly code: number;
  /** How many instructions to skip where a test holds. */
  readonly whenTrue: number;
  /** How many instructions to skip where it does not. */
  readonly whenFalse: number;
  readonly operand: number;
}

/** Bytes of one `struct sock_filter`. */
export const INSTRUCTION_BYTES = 8;

/** BPF_LD | BPF_W | BPF_ABS */
const LOAD_WORD = 0x20;
/** BPF_LD | BPF_B | BPF_ABS */
const LOAD_BYTE = 0x30;
/** BPF_ALU | BPF_MOD | BPF_K */
const MODULO = 0x94;
/** BPF_JMP | BPF_JEQ | BPF_K */
const IF_EQUAL = 0x15;
/** BPF_JMP | BPF_JSET | BPF_K */
const IF_ANY_BIT = 0x45;
/** BPF_RET | BPF_K */
const ANSWER = 0x06;

/** SKF_AD_OFF + SKF_AD_RANDOM: loading from here gives 32 random bits. */
export const RANDOM_OFFSET = 0xffff_f000 + 56;
/** Where the flags are in a TCP header (RFC 9293 section 3.1). */
const TCP_FLAGS_OFFSET = 13;
const TCP_SYN = 0x02;
/** A socket filter answers how many bytes of the packet to keep. */
const WHOLE_PACKET = 0xffff_ffff;

/** Steers each new connection to one of the listeners at `indices`, at random. */
export function spreadOver(indices: readonly number[]): Instruction[] {
  if (indices.length === 0) throw new RangeError("there is no listener to steer to");
  // The last one needs no test: nothing else is left.
  const tested = indices.slice(0, -1).flatMap((index, choice) => [
    { code: IF_EQUAL, whenTrue: 0, whenFalse: 1, operand: choice },
    { code: ANSWER, whenTrue: 0, whenFalse: 0, operand: index },
  ]);
  return [
    { code: LOAD_WORD, whenTrue: 0, whenFalse: 0, operand: RANDOM_OFFSET },
    { code: MODULO, whenTrue: 0, whenFalse: 0, operand: indices.length },
    ...tested,
    { code: ANSWER, whenTrue: 0, whenFalse: 0, operand: indices.at(-1) ?? 0 },
  ];
}

/**
 * Drops the packets that open connections, and no others: a client sends its own again after one
 * second (RFC 6298 section 2), and the next listener may take it.
 */
export function dropNewConnections(): Instruction[] {
  return [
    { code: LOAD_BYTE, whenTrue: 0, whenFalse: 0, operand: TCP_FLAGS_OFFSET },
    { code: IF_ANY_BIT, whenTrue: 0, whenFalse: 1, operand: TCP_SYN },
    { code: ANSWER, whenTrue: 0, whenFalse: 0, operand: 0 },
    { code: ANSWER, whenTrue: 0, whenFalse: 0, operand: WHOLE_PACKET },
  ];
}

/** The program as an array of `struct sock_filter`; every machine that Bun runs on is little-endian. */
export function encodeProgram(program: readonly Instruction[]): Uint8Array {
  const bytes = new Uint8Array(program.length * INSTRUCTION_BYTES);
  const view = new DataView(bytes.buffer);
  for (const [i, { code, whenTrue, whenFalse, operand }] of program.entries()) {
    const at = i * INSTRUCTION_BYTES;
    view.setUint16(at, code, true);
    view.setUint8(at + 2, whenTrue);
    view.setUint8(at + 3, whenFalse);
    view.setUint32(at + 4, operand, true);
  }
  return bytes;
}
