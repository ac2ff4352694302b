/** JSON text of an object of exactly `bytes` bytes, so that every message of a run is as long. */
export function payload(sequence: number, bytes: number): string {
  const head = `{"sequence":${sequence},"text":"`;
  const tail = '"}';
  const padding = bytes - head.length - tail.length;
  if (padding < 0) throw new Error(`a payload needs at least ${head.length + tail.length} bytes`);
  return head + "x".repeat(padding) + tail;
}
