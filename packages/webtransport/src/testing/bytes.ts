import { concatenate } from "../records.ts";

/** Bytes written as hexadecimal digits, with blanks anywhere. */
export function hex(digits: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.fromHex(digits.replaceAll(/\s/g, ""));
}

export function utf8(text: string): Uint8Array<ArrayBuffer> {
  return concatenate([new TextEncoder().encode(text)]);
}

export function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

/** Cuts bytes into pieces of these sizes, and what is left into one. */
export function cut(
  bytes: Uint8Array<ArrayBuffer>,
  sizes: readonly number[],
): Uint8Array<ArrayBuffer>[] {
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  let at = 0;
  for (const size of sizes) {
    pieces.push(bytes.subarray(at, at + size));
    at += size;
  }
  return [...pieces, bytes.subarray(at)].filter(({ length }) => length > 0);
}

/** The code of the error that `work` throws; undefined where it throws nothing. */
export function codeOf(work: () => unknown): unknown {
  try {
    work();
    return undefined;
  } catch (error) {
    return error instanceof Error && "code" in error ? error.code : error;
  }
}

/** Lets everything run that waits for nothing but its turn. */
export function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
