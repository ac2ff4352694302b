import { type ErrorName, errorBody, StarlingError } from "@starling/protocol/errors.ts";

/** An HTTP answer, before a listener gives it headers of its own. */
export interface HttpAnswer {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
}

/** Refusals of the Engine.IO protocol, with the numbers that its clients know. */
const engineErrors = {
  unknownTransport: { code: 0, message: "Transport unknown" },
  unknownSession: { code: 1, message: "Session ID unknown" },
  badHandshakeMethod: { code: 2, message: "Bad handshake method" },
  badRequest: { code: 3, message: "Bad request" },
  unsupportedProtocol: { code: 5, message: "Unsupported protocol version" },
} as const;

export type EngineError = keyof typeof engineErrors;

/** The answer to a request that broke the Engine.IO protocol. */
export function engineRefusal(error: EngineError): HttpAnswer {
  return {
    status: 400,
    contentType: "application/json",
    body: JSON.stringify(engineErrors[error]),
  };
}

/** The answer to a request that Starling itself refuses, in the catalogue's form. */
export function catalogueRefusal(name: ErrorName): HttpAnswer {
  const error = new StarlingError(name);
  return {
    status: error.status,
    contentType: "application/json",
    body: JSON.stringify(errorBody(error)),
  };
}

export function textAnswer(body: string): HttpAnswer {
  return { status: 200, contentType: "text/plain; charset=UTF-8", body };
}
