import { fileURLToPath } from "node:url";
import { certificateHash } from "../server-certificate.ts";
import type { Connect } from "./member-connection.ts";
import { type Tell, WebTransportConnection } from "./webtransport-connection.ts";
import type { News, Order } from "./webtransport-orders.ts";

const DENO = fileURLToPath(new URL("../../../node_modules/.bin/deno", import.meta.url));
const PROGRAM = fileURLToPath(new URL("./webtransport-program.ts", import.meta.url));
const PERMISSIONS = ["--unstable-net", "--allow-net"];
/** What opening a session may take, ms. */
const OPEN_MS = 3_000;
/** Within which a client says something, and how often it does, ms. */
const [HEARTBEAT_MS, PING_MS] = [1_000, 500];

/** One process of Deno, whose WebTransport clients connect for all members of a run. */
export class WebTransportProcess {
  readonly #child = Bun.spawn(
    [DENO, "run", "--quiet", "--no-prompt", "--no-check", "--no-lock", ...PERMISSIONS, PROGRAM],
    { stdin: "pipe", stdout: "pipe", stderr: "inherit" },
  );
  readonly #connections = new Map<number, WebTransportConnection>();
  readonly #silentMs: number;
  #last = 0;
  #hasEnded = false;

  /** @param silentMs how long a server may say nothing before a client takes it for gone */
  constructor(silentMs: number) {
    this.#silentMs = silentMs;
    void this.#read();
  }

  readonly connect: Connect = ({ server, id, version }) => {
    const query = { publickey: "any", id, v: String(version), hb: String(HEARTBEAT_MS) };
    const url = `${server.subscriberUrl}/v1?${new URLSearchParams(query)}`;
    const session = ++this.#last;
    const tell: Tell = (order) => this.#order({ ...order, session });
    const connection = new WebTransportConnection(tell, {
      pingMs: PING_MS,
      silentMs: this.#silentMs,
    });
    this.#connections.set(session, connection);
    const hash = certificateHash(server.ca);
    this.#order({ order: "open", session, url, hash, openMs: OPEN_MS });
    return connection.opened;
  };

  /** Ends all sessions, and the process. */
  async end(): Promise<void> {
    this.#hasEnded = true;
    this.#child.stdin.end();
    await this.#child.exited;
  }

  #order(order: Order): void {
    if (this.#hasEnded) return;
    this.#child.stdin.write(`${JSON.stringify(order)}\n`);
    this.#child.stdin.flush();
  }

  async #read(): Promise<void> {
    const decoder = new TextDecoder();
    let rest = "";
    for await (const chunk of this.#child.stdout) {
      const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) this.#take(JSON.parse(line));
    }
    this.#hasEnded = true;
    for (const connection of this.#connections.values()) connection.end("the process has ended");
  }

  #take(news: News): void {
    const connection = this.#connections.get(news.session);
    if (news.news === "opened") connection?.open();
    else if (news.news === "messages") connection?.receive(news.messages);
    else if (news.news === "finished") connection?.finish();
    else {
      connection?.end(news.why);
      this.#connections.delete(news.session);
    }
  }
}
