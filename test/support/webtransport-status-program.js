// Run by Deno: prints the status of the answer to a WebTransport handshake.
const [url, hash] = Deno.args;
const value = Uint8Array.fromBase64(hash);
const session = new WebTransport(url, {
  serverCertificateHashes: [{ algorithm: "sha-256", value }],
});
session.closed.catch(() => {});
try {
  await session.ready;
  console.log("200");
} catch ({ message }) {
  // "expected 200, got: Some(401)"
  console.log(message.split("got")[1] ?? message);
}
Deno.exit(0);
