import { INSTRUCTION_BYTES, RANDOM_OFFSET } from "../reuseport-program.ts";

/**
 * Runs a classic BPF program as the kernel's Documentation/networking/filter.rst describes it, as far
 * as the programs here need it.
 */
export function runProgram(
  code: Uint8Array,
  { packet = new Uint8Array(), random = 0 }: { packet?: Uint8Array; random?: number },
): number {
  const view = new DataView(code.buffer, code.byteOffset, code.byteLength);
  let accumulator = 0;
  for (let next = 0; next * INSTRUCTION_BYTES < code.length; next++) {
    const at = next * INSTRUCTION_BYTES;
    const operand = view.getUint32(at + 4, true);
    const jump = (holds: boolean) => view.getUint8(at + (holds ? 2 : 3));
    switch (view.getUint16(at, true)) {
      case 0x20: // ld
        if (operand !== RANDOM_OFFSET) throw new RangeError(`no word at ${operand}`);
        accumulator = random;
        break;
      case 0x30: // ldb; a program that reads past the end of the packet answers 0
        if (operand >= packet.length) return 0;
        accumulator = packet[operand] ?? 0;
        break;
      case 0x94: // mod
        accumulator %= operand;
        break;
      case 0x15: // jeq
        next += jump(accumulator === operand);
        break;
      case 0x45: // jset
        next += jump((accumulator & operand) !== 0);
        break;
      case 0x06: // ret
        return operand;
      default:
        throw new RangeError(`instruction ${next} is not known`);
    }
  }
  throw new RangeError("the program ends without an answer");
}
