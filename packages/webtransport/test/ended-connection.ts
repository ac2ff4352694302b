/**
 * Asks a connection that has ended for the streams that its client had opened, and prints what it
 * gets as a line of JSON.
 *
 * Usage: deno run --unstable-net --allow-net --allow-read ended-connection.ts CERT KEY
 */
import { readFileSync } from "node:fs";
import process from "node:process";
import { DenoEndpoint } from "../src/deno.ts";

/** Enough for a stream of each kind to have arrived. */
const STREAMS = 3;

const [certFile = "", keyFile = ""] = process.argv.slice(2);
const cert = readFileSync(certFile, "utf8");
const key = readFileSync(keyFile, "utf8");
const endpoint = new DenoEndpoint({ hostname: "127.0.0.1", port: 0, cert, key });

async function accepted() {
  const connection = (await endpoint.incoming())?.accept();
  if (connection === undefined) throw new Error("nobody came");
  await connection.handshake;
  return connection;
}

const { port } = endpoint.address;
const [connection, client] = await Promise.all([
  accepted(),
  Deno.connectQuic({ hostname: "localhost", port, alpnProtocols: ["h3"], caCerts: [cert] }),
]);
for (let count = 0; count < STREAMS; count++) {
  const byte = Uint8Array.of(1);
  await (await client.createBidirectionalStream()).writable.getWriter().write(byte);
  await (await client.createUnidirectionalStream()).getWriter().write(byte);
}
// The first of each kind has come, and with it the others.
await connection.acceptBidirectional();
await connection.acceptUnidirectional();
connection.close(0, "");
await connection.closed;

async function outcome(accepting: Promise<unknown>): Promise<string> {
  return accepting.then((stream) => (stream === undefined ? "none" : "a stream"), String);
}

const event = "streams";
const bidirectional = await outcome(connection.acceptBidirectional());
const unidirectional = await outcome(connection.acceptUnidirectional());
console.log(JSON.stringify({ event, bidirectional, unidirectional }));
process.exit(0);
