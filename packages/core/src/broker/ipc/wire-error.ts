/** What came over a link is not what its peer may send. */
export class WireError extends Error {
  override readonly name = "WireError";
}
