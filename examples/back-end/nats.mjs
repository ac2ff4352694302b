// The same straight over NATS, without a node in between; `npm install @nats-io/transport-node` first:
//
//   node examples/back-end/nats.mjs demo:hello "It rains"
//
// For a channel with history the third argument names its namespace, and the answer the number of the publication.
// NATS_URL, NATS_USER, NATS_PASSWORD and NATS_CA are what they are for nodes.
import { readFileSync } from "node:fs";
import { connect, headers } from "@nats-io/transport-node";

/** A name as a token of a subject; names that give more than 512 characters need a hash: docs/protocol/nats.md. */
function token(name) {
  if (name === "") return "=";
  const escaped = (byte) => `=${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  const characters = [...new TextEncoder().encode(name)].map((byte) => {
    const character = String.fromCharCode(byte);
    return /[A-Za-z0-9_-]/.test(character) ? character : escaped(byte);
  });
  return characters.join("");
}

const { NATS_URL = "nats://localhost:4222", NATS_USER, NATS_PASSWORD, NATS_CA } = process.env;
const [channel = "demo:hello", text = "It rains", namespace] = process.argv.slice(2);

const nats = await connect({
  servers: NATS_URL.replace(/^tls:/, "nats:"),
  ...(NATS_USER === undefined ? {} : { user: NATS_USER, pass: NATS_PASSWORD }),
  ...(NATS_CA === undefined ? {} : { tls: { ca: readFileSync(NATS_CA, "utf8") } }),
});
const named = headers();
named.set("Event", "forecast");
named.set("Publisher", "weather");
const data = JSON.stringify({ text });
if (namespace === undefined) {
  nats.publish(`starling.pub.default.${token(channel)}`, data, { headers: named });
} else {
  const subject = `starling.kept.default.${token(namespace)}.${token(channel)}`;
  // Published again with the same id, it is kept once.
  named.set("Nats-Msg-Id", crypto.randomUUID());
  console.log((await nats.request(subject, data, { headers: named })).string());
}
await nats.drain();
