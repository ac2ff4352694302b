import type { HttpClient, HttpRequestOptions, HttpResponse } from "@starling/core/ports.ts";

/** Asks other servers with Deno's `fetch`, one bounded answer to each request. */
export function denoHttpClient(userAgent: string): HttpClient {
  return {
    get: (url, options) => ask(url, { method: "GET" }, userAgent, options),
    post: (url, body, options) => ask(url, { method: "POST", body }, userAgent, options),
  };
}

async function ask(
  url: string,
  request: { readonly method: string; readonly body?: string },
  userAgent: string,
  { timeoutMs, maxBodyBytes, headers = {} }: HttpRequestOptions,
): Promise<HttpResponse> {
  const response = await fetch(url, {
    ...request,
    headers: {
      "user-agent": userAgent,
      // A compressed answer could be small on the wire and of any size in memory.
      "accept-encoding": "identity",
      ...headers,
    },
    redirect: "manual",
    signal: AbortSignal.timeout(timeoutMs),
  });
  const retryAfter = response.headers.get("retry-after") ?? undefined;
  return { status: response.status, body: await textOf(response, maxBodyBytes), retryAfter };
}

/** Counts what was unpacked: Deno unpacks an answer that was packed although nobody asked for it. */
async function textOf(response: Response, maxBytes: number | "unread"): Promise<string> {
  if (response.body === null) return "";
  if (maxBytes === "unread") {
    await response.body.cancel();
    return "";
  }
  const decoder = new TextDecoder();
  let text = "";
  let length = 0;
  for await (const chunk of response.body) {
    length += chunk.byteLength;
    // Leaving the loop cancels what has not been read.
    if (length > maxBytes) throw new RangeError(`the answer has more than ${maxBytes} bytes`);
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}
