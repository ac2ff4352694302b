/**
 * Lets datagrams wait for a page that is given little of the processor. Of those that come Chromium
 * keeps one until it is read and drops the others, and those that go wait a few milliseconds at most:
 * on a busy machine a page would lose some on a network that loses none.
 */

/** Milliseconds that a datagram may wait, on either side of the page, and how many may. */
const [MAX_AGE_MS, MAX_WAITING] = [60_000, 1_000];

class PatientWebTransport extends WebTransport {
  constructor(...args: ConstructorParameters<typeof WebTransport>) {
    super(...args);
    Object.assign(this.datagrams, {
      incomingHighWaterMark: MAX_WAITING,
      incomingMaxAge: MAX_AGE_MS,
      outgoingMaxAge: MAX_AGE_MS,
    });
  }
}

Object.assign(globalThis, { WebTransport: PatientWebTransport });
