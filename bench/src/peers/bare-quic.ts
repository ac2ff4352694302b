import { join } from "node:path";
import { certificateHash } from "../certificate.ts";
import { startListening } from "../processes.ts";
import { denoCommand, denoVersion } from "../quic/deno-program.ts";
import type { QuicPeer } from "./quic-peer.ts";

/** The server of @starling/webtransport without a protocol above it. */
export const bareQuic: QuicPeer = {
  name: "bare",
  versions: () => ({ deno: denoVersion() }),
  async start({ certificate, directory }) {
    const running = await startListening({
      command: denoCommand(join(import.meta.dir, "bare-quic-server.ts")),
      directory,
      environment: { CERTIFICATE: certificate.certificate, KEY: certificate.key },
    });
    return { ...running, certificateHash: certificateHash(certificate) };
  },
  memberPath: (channel) => `/?topic=${encodeURIComponent(channel)}`,
  speaksSignals: false,
  async datagramsReceived(publisher) {
    return Number(await (await fetch(publisher)).text());
  },
};
