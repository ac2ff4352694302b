import { CONNECT_TIMEOUT_MS, CONNECT_WINDOW } from "../modes/connecting.ts";
import type { RunningPeer } from "../peers/peer.ts";
import type { QuicLoad } from "../quic/load.ts";
import type { Returned } from "../quic/protocol.ts";
import { type Leave, type Return, type TcpTransport, tcpTransports } from "./clients.ts";
import { Tally } from "./tally.ts";

/** By which a client comes. */
export type Transport = TcpTransport | "webtransport";

export const TRANSPORTS: readonly Transport[] = [
  ...(Object.keys(tcpTransports) as TcpTransport[]),
  "webtransport",
];

/** What the messages may take once all are connected. */
const DONE_MS = 60_000;

export interface Comeback {
  readonly server: Pick<RunningPeer, "urls" | "certificateHash">;
  /** Has the sessions over WebTransport. */
  readonly quic: QuicLoad;
  /** The channel of each client. */
  readonly channels: readonly string[];
  /** The clients take them in turn. */
  readonly transports: readonly Transport[];
  /** `EPOCH.OFFSET`, behind which they want everything; undefined: they want nothing. */
  readonly since: string | undefined;
  /** Messages that each is to get, numbered from 1. */
  readonly expected: number;
  /** Connections in the making at the same time. */
  readonly window: number;
}

/** What became of clients that came back. */
export interface Outcome extends Returned {
  /** Ends their connections. */
  leave(): Promise<void>;
}

/** Clients that come back at once; resolves when all have what is theirs, or have waited for too long. */
export async function comeBack(comeback: Comeback): Promise<Outcome> {
  const { channels, transports, quic, window } = comeback;
  const [overQuic, overTcp]: [string[], [TcpTransport, string][]] = [[], []];
  for (const [index, channel] of channels.entries()) {
    const transport = transports[index % transports.length];
    if (transport === "webtransport") overQuic.push(channel);
    else if (transport !== undefined) overTcp.push([transport, channel]);
  }
  const leaves: Leave[] = [];
  const share = Math.ceil((window * overQuic.length) / channels.length);
  // The first packets of more handshakes than that overflow the buffer of the server's one socket.
  const quicWindow = Math.min(CONNECT_WINDOW, share);
  const outcomes = await Promise.all([
    returnOverTcp(comeback, overTcp, window - share, leaves),
    ...(overQuic.length === 0 ? [] : [returnOverQuic(comeback, overQuic, quicWindow)]),
  ]);
  return {
    refusals: outcomes.flatMap(({ refusals }) => refusals),
    lost: outcomes.reduce((sum, { lost }) => sum + lost, 0),
    doubled: outcomes.reduce((sum, { doubled }) => sum + doubled, 0),
    async leave() {
      for (const leave of leaves) leave();
      if (overQuic.length > 0) await quic.leave();
    },
  };
}

function returnOverQuic(
  { server, quic, since, expected }: Comeback,
  channels: readonly string[],
  window: number,
): Promise<Returned> {
  const { urls, certificateHash: hash } = server;
  if (hash === undefined) throw new Error("the server names no certificate");
  return quic.comeBack({
    url: urls.subscriber.origin,
    hash,
    paths: channels.map(() => `/v1?publickey=bench&v=2&id=${crypto.randomUUID()}`),
    channels,
    since,
    expected,
    window,
    timeoutMs: CONNECT_TIMEOUT_MS,
    doneMs: DONE_MS,
  });
}

async function returnOverTcp(
  { server, since, expected }: Comeback,
  clients: readonly (readonly [TcpTransport, string])[],
  window: number,
  leaves: Leave[],
): Promise<Returned> {
  const refusals: string[] = [];
  const tallies: Tally[] = [];
  const queue = clients.values();
  const work = async () => {
    // One iterator for all, so that each takes the next.
    for (const [transport, channel] of queue) {
      const tally = new Tally(expected);
      tallies.push(tally);
      const back: Return = { url: server.urls.subscriber, channel, since, tally };
      try {
        leaves.push(await tcpTransports[transport](back));
      } catch (error) {
        refusals.push(`${transport}: ${error}`);
      }
    }
  };
  await Promise.all(Array.from({ length: window }, work));
  // What is missing then is counted.
  await Promise.race([Promise.all(tallies.map(({ complete }) => complete)), Bun.sleep(DONE_MS)]);
  return {
    refusals,
    lost: tallies.reduce((sum, { lost }) => sum + lost, 0),
    doubled: tallies.reduce((sum, { doubled }) => sum + doubled, 0),
  };
}
