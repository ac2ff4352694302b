import { createHmac } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { text } from "node:stream/consumers";
import { eventually, within } from "./deadline.ts";

/** The secret that hooks of tests sign with. */
export const HOOK_SECRET = "a secret of hooks under test";

export interface HookEvent {
  readonly id: string;
  readonly type: string;
  readonly time: number;
  readonly channel?: string;
  readonly connection?: string;
  readonly clientId?: string;
  readonly user?: string | null;
}

export interface HookRequest {
  readonly signature: string;
  /** The body as it came. */
  readonly raw: string;
  readonly app: string;
  readonly node: string | null;
  readonly dropped: number;
  readonly events: readonly HookEvent[];
  /** What it was answered; 0 where it was taken, and the answer lost. */
  readonly status: number;
}

/** The status that a request is answered with; 0 takes it and breaks the connection off. */
type Answer = (events: readonly HookEvent[]) => number | Promise<number>;

/** The server that hooks are sent to. */
export class HookReceiver implements Disposable {
  /** Every request so far. */
  readonly requests: HookRequest[] = [];
  /** What the next requests get. */
  answer: Answer = () => 200;
  /** The header `Retry-After` of answers, in seconds. */
  retryAfter: string | undefined;
  /** Whether it breaks off every connection, as if nobody were there; its port stays its own. */
  isDead = false;
  readonly #server = createServer();
  #mostAtOnce = 0;
  #underWay = 0;

  private constructor() {
    this.#server.on("request", (request, response) => void this.#receive(request, response));
  }

  static async start(): Promise<HookReceiver> {
    const receiver = new HookReceiver();
    receiver.#server.listen(0, "127.0.0.1");
    await within(once(receiver.#server, "listening"), "a listener");
    return receiver;
  }

  get url(): string {
    const address = this.#server.address();
    if (address === null || typeof address === "string") throw new Error("nobody listens");
    return `http://127.0.0.1:${address.port}/hook`;
  }

  /** The most requests that were under way at one time. */
  get mostAtOnce(): number {
    return this.#mostAtOnce;
  }

  /** The events that were taken, each as often as it was, in their order. */
  get taken(): readonly HookEvent[] {
    return this.requests
      .filter(({ status }) => status === 0 || (status >= 200 && status < 300))
      .flatMap(({ events }) => events);
  }

  /** The types of those of one channel. */
  ofChannel(channel: string): string[] {
    return this.taken.filter((event) => event.channel === channel).map(({ type }) => type);
  }

  /** Resolves once that holds. */
  async until(what: string, holds: () => boolean, ms?: number): Promise<void> {
    const attempt = async () => {
      if (holds()) return true;
      await Bun.sleep(10);
      return undefined;
    };
    await eventually(what, attempt, ms);
  }

  [Symbol.dispose](): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  async #receive(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (this.isDead) {
      request.socket.destroy();
      return;
    }
    this.#underWay++;
    this.#mostAtOnce = Math.max(this.#mostAtOnce, this.#underWay);
    const raw = await text(request);
    const body: Pick<HookRequest, "app" | "node" | "dropped" | "events"> = JSON.parse(raw);
    const status = await this.answer(body.events);
    const signature = String(request.headers["starling-signature"] ?? "");
    this.requests.push({ ...body, raw, signature, status });
    this.#underWay--;
    if (status === 0) {
      request.socket.destroy();
      return;
    }
    const { retryAfter } = this;
    response.writeHead(status, retryAfter === undefined ? {} : { "retry-after": retryAfter });
    response.end();
  }
}

/** What a request has to be signed with, by a secret. */
export function macOf({ raw, signature }: HookRequest, secret = HOOK_SECRET): string {
  const time = /^t=(\d+),/.exec(signature)?.[1] ?? "";
  return createHmac("sha256", secret).update(`${time}.${raw}`).digest("hex");
}
