import type { Answer } from "../../answer.ts";
import { engineRefusal, type HttpAnswer } from "./http.ts";
import type { Respond } from "./polling.ts";
import type { EngineSession } from "./session.ts";

/** A long-polling request of a session, wherever it came in. */
export interface SessionRequest {
  readonly method: string;
  /** Reads the body up to the payload limit; answers a refusal when it is larger. */
  readBody(): Promise<string | HttpAnswer>;
  /** Calls back when the client goes away before it has its answer. */
  onAbort(callback: () => void): void;
}

/** Lets the session answer the request. */
export function answerRequest<Data>(
  session: EngineSession<Data>,
  request: SessionRequest,
): Answer<HttpAnswer> {
  if (request.method === "POST") return session.post(() => request.readBody());
  if (request.method !== "GET") return engineRefusal("badRequest");
  return new Promise((resolve) => {
    const respond: Respond = resolve;
    request.onAbort(() => session.pollAborted(respond));
    session.poll(respond);
  });
}
