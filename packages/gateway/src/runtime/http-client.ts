import type { HttpClient, HttpRequestOptions, HttpResponse } from "@starling/core/ports.ts";
import manifest from "../../package.json" with { type: "json" };

/** Asks other servers with Bun's `fetch`, one bounded answer to each request. */
export const bunHttpClient: HttpClient = {
  get: (url, options) => ask(url, { method: "GET" }, options),
  post: (url, body, options) => ask(url, { method: "POST", body }, options),
};

async function ask(
  url: string,
  request: { readonly method: string; readonly body?: string },
  { timeoutMs, maxBodyBytes, headers = {} }: HttpRequestOptions,
): Promise<HttpResponse> {
  const response = await fetch(url, {
    ...request,
    headers: {
      "user-agent": `starling/${manifest.version}`,
      // A compressed answer could be small on the wire and of any size in memory.
      "accept-encoding": "identity",
      ...headers,
    },
    decompress: false,
    redirect: "manual",
    signal: AbortSignal.timeout(timeoutMs),
  });
  const retryAfter = response.headers.get("retry-after") ?? undefined;
  return { status: response.status, body: await textOf(response, maxBodyBytes), retryAfter };
}

async function textOf(response: Response, maxBytes: number | "unread"): Promise<string> {
  if (response.body === null) return "";
  if (maxBytes === "unread") {
    await response.body.cancel();
    return "";
  }
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of response.body) {
    length += chunk.byteLength;
    // Leaving the loop cancels what has not been read.
    if (length > maxBytes) throw new RangeError(`the answer has more than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return new TextDecoder().decode(Buffer.concat(chunks, length));
}
