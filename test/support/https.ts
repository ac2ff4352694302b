import { type Agent, type RequestOptions, request } from "node:https";
import { connect } from "node:tls";
import { patience, within } from "./deadline.ts";

/** A client certificate and its key, PEM. */
export interface ClientIdentity {
  readonly cert: string;
  readonly key: string;
}

export interface HttpsCall {
  readonly method?: string;
  /** A list of values goes out as that many header lines. */
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  /** Text or bytes go out with a Content-Length, a list of parts chunked and without one. */
  readonly body?: string | Uint8Array | readonly string[];
  /** The loopback address that the connection comes from, such as `127.0.0.2`. */
  readonly from?: string;
  readonly identity?: ClientIdentity | undefined;
  /** Keeps connections for later requests; without one each request has a connection of its own. */
  readonly agent?: Agent | undefined;
  /** Milliseconds that an answer may take; default `patience`. */
  readonly ms?: number;
}

export interface HttpsAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

/**
 * One HTTPS request; rejects when there is no complete answer.
 *
 * Node's own client is used, since `fetch` can neither choose the local address nor leave out the
 * Content-Length of a short body.
 */
export function httpsCall(url: string, ca: string, call: HttpsCall = {}): Promise<HttpsAnswer> {
  const { body, from, identity, agent = false, ms = patience } = call;
  const options: RequestOptions = {
    method: call.method ?? (body === undefined ? "GET" : "POST"),
    headers: Object.fromEntries(
      Object.entries(call.headers ?? {}).map(([name, value]) => [name, [value].flat()]),
    ),
    ca,
    agent,
    ...(from === undefined ? {} : { localAddress: from }),
    ...identity,
  };
  const { promise, resolve, reject } = Promise.withResolvers<HttpsAnswer>();
  const outgoing = request(url, options, (response) => {
    const chunks: Buffer[] = [];
    response.on("data", (chunk: Buffer) => chunks.push(chunk));
    response.on("error", reject);
    response.on("end", () => {
      const headers = new Headers();
      for (const [name, value] of Object.entries(response.headers)) {
        for (const line of [value ?? []].flat()) headers.append(name, line);
      }
      resolve({
        status: response.statusCode ?? 0,
        headers,
        text: Buffer.concat(chunks).toString("utf8"),
      });
    });
  });
  outgoing.on("error", reject);
  if (body === undefined) outgoing.end();
  else if (typeof body === "string" || body instanceof Uint8Array) {
    outgoing.setHeader("content-length", Buffer.byteLength(body));
    outgoing.end(body);
  } else {
    outgoing.setHeader("transfer-encoding", "chunked");
    for (const part of body) outgoing.write(part);
    outgoing.end();
  }
  return within(promise, `${options.method} ${url}`, ms);
}

/** Writes `text` on a TLS connection of its own, and gives back what comes until it ends. */
export function rawCall(url: string, ca: string, text: string): Promise<string> {
  const { hostname, port } = new URL(url);
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const socket = connect({ host: hostname, port: Number(port), ca, servername: "localhost" });
  let received = "";
  socket.setEncoding("utf8");
  socket.on("secureConnect", () => socket.write(text));
  socket.on("data", (chunk) => {
    received += String(chunk);
  });
  socket.on("error", reject);
  socket.on("close", () => resolve(received));
  return within(promise, `answer to ${text.slice(0, 40)}`, patience).finally(() =>
    socket.destroy(),
  );
}

/** Posts a chunked body until there is an answer, the connection ends or `maxBytes` are written. */
export function endlessCall(
  url: string,
  ca: string,
  maxBytes: number,
): Promise<{ status: number; sentBytes: number }> {
  const { promise, resolve, reject } = Promise.withResolvers<{
    status: number;
    sentBytes: number;
  }>();
  const part = Buffer.alloc(65_536, " ");
  let sentBytes = 0;
  let ended = false;
  const outgoing = request(url, { method: "POST", ca, agent: false }, (response) => {
    ended = true;
    resolve({ status: response.statusCode ?? 0, sentBytes });
    outgoing.destroy();
  });
  outgoing.setHeader("transfer-encoding", "chunked");
  outgoing.on("error", (error) => {
    ended = true;
    reject(error);
  });
  const write = () => {
    if (ended) return;
    if (sentBytes >= maxBytes) {
      outgoing.end();
      return;
    }
    sentBytes += part.length;
    outgoing.write(part, write);
  };
  write();
  return within(promise, `an endless POST ${url}`, patience);
}
