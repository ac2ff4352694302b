import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { certificateHash } from "../certificate.ts";
import { type Announced, logEntry } from "../processes.ts";
import { denoVersion } from "../quic/deno-program.ts";
import type { QuicPeer } from "./quic-peer.ts";
import { gatewayAnnounced, gatewayVersions, startGateway } from "./starling.ts";
import { NAMESPACE } from "./starling-presence.ts";

/** A namespace whose states go to clients of version 2 as datagrams. */
export const VOLATILE = "moves";

/** The publisher's address in one line, and the port of the quic worker in another. */
export function quicAnnounced(line: string): Announced {
  const { publisher } = gatewayAnnounced(line);
  if (publisher !== undefined) return { publisher };
  const entry = logEntry(line);
  if (entry?.msg !== "WebTransport listening") return {};
  return { subscriber: new URL(`https://127.0.0.1:${entry.port}`) };
}

/** This repository's gateway with its quic worker, and the signalling protocol over datagrams. */
export const starlingQuic: QuicPeer = {
  name: "starling",
  versions: () => ({ ...gatewayVersions(), deno: denoVersion() }),
  async start({ directory, certificate }) {
    const file = join(directory, "starling.json");
    const anyone = { subscribe: "anyone", publish: "anyone", presence: "anyone" };
    writeFileSync(
      file,
      JSON.stringify({
        namespaces: { [NAMESPACE]: anyone, [VOLATILE]: { ...anyone, volatile: true } },
      }),
    );
    const running = await startGateway(
      directory,
      {
        CONFIG_FILE: file,
        MESSAGE_RATE_PER_CONNECTION: "0",
        WEBTRANSPORT: "1",
        PUB_KEY_PATH: certificate.certificate,
        PRIV_KEY_PATH: certificate.key,
      },
      quicAnnounced,
    );
    return { ...running, certificateHash: certificateHash(certificate) };
  },
  memberPath: (_channel, id) => `/v1?publickey=bench&id=${id}`,
  speaksSignals: true,
  async datagramsReceived(publisher) {
    const url = new URL("/api/stats", publisher);
    const answer = await fetch(url, { tls: { rejectUnauthorized: false } });
    const stats = (await answer.json()) as { webtransport: { datagramsReceived: number } };
    return stats.webtransport.datagramsReceived;
  },
};
