import type { HttpClient, HttpRequestOptions, HttpResponse } from "../ports.ts";

export interface RecordedRequest {
  readonly method: "GET" | "POST";
  readonly url: string;
  readonly body: string;
  readonly options: HttpRequestOptions;
}

/** Answers as a test says, and remembers what it was asked. */
export class FakeHttpClient implements HttpClient {
  readonly requests: RecordedRequest[] = [];
  /** What the next requests get; by default they cannot reach anybody. */
  answer: (request: RecordedRequest) => Promise<HttpResponse> = () =>
    Promise.reject(new Error("unreachable"));

  get(url: string, options: HttpRequestOptions): Promise<HttpResponse> {
    return this.#ask({ method: "GET", url, body: "", options });
  }

  post(url: string, body: string, options: HttpRequestOptions): Promise<HttpResponse> {
    return this.#ask({ method: "POST", url, body, options });
  }

  /** Answers every request at once. */
  respond(status: number, body: object | string): void {
    const text = typeof body === "string" ? body : JSON.stringify(body);
    this.answer = async () => ({ status, body: text });
  }

  #ask(request: RecordedRequest): Promise<HttpResponse> {
    this.requests.push(request);
    return this.answer(request);
  }
}
