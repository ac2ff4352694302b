import { afterAll, afterEach, beforeAll, expect } from "bun:test";
import { EngineHttp } from "./engine-http.ts";
import { type GatewayProcess, startGatewayProcess } from "./gateway-process.ts";
import { type HttpsAnswer, type HttpsCall, httpsCall } from "./https.ts";
import { StockClients } from "./stock-client.ts";

/** Counters of the hub. */
export interface HubStats {
  readonly connections: number;
  readonly publications: number;
  readonly deliveries: number;
  readonly slowConsumers: number;
  readonly volatileDrops: number;
  readonly authenticationTimeouts: number;
  readonly malformedPackets: number;
  readonly pingTimeouts: number;
  readonly droppedSignals: number;
  readonly floods: number;
  readonly refusedHandshakes: number;
}

/** A gateway for the tests of one file or `describe`, with clients that end with each test. */
export class GatewayFixture {
  /** Stock clients of the subscriber port. */
  readonly clients = new StockClients(() => ({
    url: this.process.subscriberUrl,
    ca: this.process.ca,
  }));
  #process: GatewayProcess | undefined;

  /** `environment` is asked when the gateway starts. */
  constructor(environment: () => Readonly<Record<string, string>>) {
    beforeAll(async () => {
      this.#process = await startGatewayProcess(environment());
    });
    afterEach(() => this.clients.disconnectAll());
    afterAll(async () => {
      if (this.#process !== undefined) expect(await this.#process.stop()).toBe(0);
    });
  }

  get process(): GatewayProcess {
    if (this.#process === undefined) throw new Error("the gateway does not run");
    return this.#process;
  }

  /** A request on the subscriber port. */
  call(path: string, call: HttpsCall = {}): Promise<HttpsAnswer> {
    return httpsCall(this.process.subscriberUrl + path, this.process.ca, call);
  }

  /** The long-polling requests and WebSockets of a client with that user id. */
  engine(uniqueUserId?: string, headers: Readonly<Record<string, string>> = {}): EngineHttp {
    const query = uniqueUserId === undefined ? "" : `?${new URLSearchParams({ uniqueUserId })}`;
    const endpoint = `${this.process.subscriberUrl}/socket.io/${query}`;
    return new EngineHttp(endpoint, { ca: this.process.ca, headers });
  }

  /** Posts JSON, or text as it is, to the publisher port; gives the text of the 200. */
  async post(path: string, body: unknown): Promise<string> {
    const text = typeof body === "string" ? body : JSON.stringify(body);
    const { publisherUrl, ca } = this.process;
    const answer = await httpsCall(publisherUrl + path, ca, { body: text });
    expect([answer.status, answer.text]).toEqual([200, expect.any(String)]);
    return answer.text;
  }

  async stats(): Promise<HubStats> {
    const { publisherUrl, ca } = this.process;
    return JSON.parse((await httpsCall(`${publisherUrl}/api/stats`, ca)).text).hub;
  }
}

/** Status, code and name of an answer, which has to be the JSON form of an error. */
export function refusal(answer: {
  status: number;
  headers: Headers;
  text?: string;
  body?: string;
}) {
  expect(answer.headers.get("content-type")).toStartWith("application/json");
  const { error } = JSON.parse(answer.text ?? answer.body ?? "");
  return [answer.status, error.code, error.name];
}

/** What an acknowledgement of a refused event equals. */
export function refused(code: number, name: string) {
  return { error: { code, name, message: expect.any(String) } };
}
