/** Datagrams that are kept, and the bytes that they may have in all. */
const MAX_KEPT = 16;
const MAX_BYTES = 20_000;

/**
 * The first datagrams of a client, which came before what they need: QUIC keeps no order between
 * them and streams (draft-ietf-webtrans-http3, section 4.6).
 */
export class EarlyDatagrams {
  #kept: Uint8Array[] = [];
  #bytes = 0;

  /** Answers false where there is no room for it. */
  keep(datagram: Uint8Array): boolean {
    if (this.#kept.length >= MAX_KEPT || this.#bytes + datagram.length > MAX_BYTES) return false;
    this.#kept.push(datagram);
    this.#bytes += datagram.length;
    return true;
  }

  /** Those that were kept, in their order, which are kept no longer. */
  takeAll(): readonly Uint8Array[] {
    const kept = this.#kept;
    this.#kept = [];
    this.#bytes = 0;
    return kept;
  }
}
