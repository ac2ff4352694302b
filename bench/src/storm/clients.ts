import { Agent, request } from "node:https";
import { subscription } from "../load/signals.ts";
import type { Tally } from "./tally.ts";

/** What a client comes back to. */
export interface Return {
  /** Origin of the subscribers' port. */
  readonly url: URL;
  readonly channel: string;
  /** `EPOCH.OFFSET`, behind which it wants everything; undefined wants nothing. */
  readonly since: string | undefined;
  readonly tally: Tally;
}

/** Ends the connection. */
export type Leave = () => void;

/** Connects and subscribes; resolves when that is acknowledged, rejects when it is refused. */
export type Come = (back: Return) => Promise<Leave>;

/** By the name of the transport. */
export const tcpTransports = {
  websocket: socketIo,
  polling,
  signalling,
  events: eventStream,
} as const satisfies Readonly<Record<string, Come>>;

export type TcpTransport = keyof typeof tcpTransports;

// The server's certificate is self-made for this run.
const tls = { rejectUnauthorized: false };
const RECORD = "\x1e";

function socketIo({ url, channel, since, tally }: Return): Promise<Leave> {
  const path = "/socket.io/?EIO=4&transport=websocket";
  const subscribe = `420["subscribe",${JSON.stringify({ channel, since })}]`;
  return overWebSocket(new URL(path, url), (socket, text) => {
    if (text.startsWith("0{")) socket.send("40");
    else if (text.startsWith("40")) socket.send(subscribe);
    else if (text === "2") socket.send("3");
    else if (text.startsWith('430[{"ok":true')) return true;
    else if (text.startsWith("42")) tally.read(text);
    else throw new Error(text);
    return false;
  });
}

function signalling({ url, channel, since, tally }: Return): Promise<Leave> {
  const id = crypto.randomUUID();
  const at = new URL(`/v1?publickey=bench&v=2&id=${id}`, url);
  let isAsked = false;
  return overWebSocket(at, (socket, text) => {
    if (!isAsked) socket.send(subscription(channel, since));
    isAsked = true;
    if (text.includes("\xa3ack")) return true;
    if (text.includes("\xa5error")) throw new Error(text);
    tally.read(text);
    return false;
  });
}

/** `read` is told every message as text, first the empty one of the opening; true is the acknowledgement. */
function overWebSocket(
  url: URL,
  read: (socket: WebSocket, text: string) => boolean,
): Promise<Leave> {
  const { promise, resolve, reject } = Promise.withResolvers<Leave>();
  const socket = new WebSocket(url.href.replace(/^http/, "ws"), { tls });
  socket.binaryType = "arraybuffer";
  const take = (text: string) => {
    try {
      if (read(socket, text)) resolve(() => socket.terminate());
    } catch (error) {
      reject(error);
    }
  };
  if (url.pathname === "/v1") socket.addEventListener("open", () => take(""));
  socket.addEventListener("message", ({ data }) => {
    take(typeof data === "string" ? data : Buffer.from(data).toString("latin1"));
  });
  socket.addEventListener("close", ({ code }) => reject(new Error(`closed with ${code}`)));
  return promise;
}

function eventStream({ url, channel, since, tally }: Return): Promise<Leave> {
  const { promise, resolve, reject } = Promise.withResolvers<Leave>();
  const headers = since === undefined ? {} : { "last-event-id": since };
  const path = new URL(`/events?channel=${channel}`, url);
  const outgoing = request(path, { ...tls, headers, agent: false }, (response) => {
    if (response.statusCode !== 200) reject(new Error(`answered ${response.statusCode}`));
    let rest = "";
    response.setEncoding("latin1");
    response.on("error", reject);
    response.on("data", (chunk: string) => {
      const blocks = (rest + chunk).split("\n\n");
      rest = blocks.pop() ?? "";
      for (const block of blocks) {
        if (block.startsWith("id: ") && !block.includes("\n")) resolve(() => outgoing.destroy());
        else tally.read(block);
      }
    });
  });
  outgoing.on("error", reject);
  outgoing.end();
  return promise;
}

async function polling({ url, channel, since, tally }: Return): Promise<Leave> {
  const agent = new Agent({ ...tls, keepAlive: true });
  const path = "/socket.io/?EIO=4&transport=polling";
  const opening = await call(agent, new URL(path, url));
  const { sid } = JSON.parse(opening.slice(1));
  const session = new URL(`${path}&sid=${sid}`, url);
  const acknowledged = Promise.withResolvers<Leave>();
  let isOver = false;
  const poll = async () => {
    while (!isOver) {
      for (const packet of (await call(agent, session)).split(RECORD)) {
        if (packet.startsWith('430[{"ok":true')) {
          acknowledged.resolve(() => {
            isOver = true;
            agent.destroy();
          });
        } else if (packet.startsWith("42")) tally.read(packet);
        else if (packet === "2") await call(agent, session, "3");
        else if (!packet.startsWith("40{") && packet !== "6") throw new Error(packet);
      }
    }
  };
  await call(agent, session, "40");
  poll().catch((error: unknown) => acknowledged.reject(error));
  await call(agent, session, `420["subscribe",${JSON.stringify({ channel, since })}]`);
  return acknowledged.promise;
}

/** A request of a polling client; the text of the answer. */
function call(agent: Agent, url: URL, body?: string): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const method = body === undefined ? "GET" : "POST";
  const outgoing = request(url, { ...tls, agent, method }, (response) => {
    let text = "";
    response.setEncoding("utf8");
    response.on("data", (chunk: string) => {
      text += chunk;
    });
    response.on("error", reject);
    response.on("end", () => {
      if (response.statusCode === 200) resolve(text);
      else reject(new Error(`answered ${response.statusCode}: ${text}`));
    });
  });
  outgoing.on("error", reject);
  outgoing.end(body);
  return promise;
}
