/** Run by Deno with a URL and the hash of a certificate; says whether a session opens. */

import process from "node:process";

const [url = "", hash = ""] = process.argv.slice(2);
const value = Uint8Array.fromBase64(hash);
const session = new WebTransport(url, {
  serverCertificateHashes: [{ algorithm: "sha-256", value }],
});
session.closed.catch(() => {});
const outcome = await session.ready.then(() => "open", String);
if (outcome === "open") {
  // Else the server would miss it for as long as QUIC waits for a client that is silent.
  session.close({ closeCode: 0, reason: "" });
  await session.closed.catch(() => {});
}
console.log(outcome);
process.exit(0);
