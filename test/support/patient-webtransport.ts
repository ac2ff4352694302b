/** Makes datagrams wait for the page, for a client that does not do so itself. */

import { letDatagramsWait } from "./patient-datagrams.ts";

class PatientWebTransport extends WebTransport {
  constructor(...args: ConstructorParameters<typeof WebTransport>) {
    super(...args);
    letDatagramsWait(this);
  }
}

Object.assign(globalThis, { WebTransport: PatientWebTransport });
