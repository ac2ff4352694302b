/**
 * Sends everything back. Usage:
 *
 *     deno run --unstable-net --allow-net --allow-read examples/echo.ts CERT.pem KEY.pem [PORT]
 */
import { readFileSync } from "node:fs";
import process from "node:process";
import { DenoEndpoint, denoTimers } from "../src/deno.ts";
import { WebTransportServer } from "../src/server.ts";
import type { BidirectionalStream } from "../src/streams.ts";

const [certFile = "cert.pem", keyFile = "key.pem", port = "4433"] = process.argv.slice(2);

async function echo({ receive, send }: BidirectionalStream): Promise<void> {
  let bytes = await receive.read(new Uint8Array(1024));
  while (typeof bytes !== "string" && (await send.write(bytes.slice()))) {
    bytes = await receive.read(new Uint8Array(bytes.buffer));
  }
  await send.finish();
}

const server = new WebTransportServer({
  endpoint: new DenoEndpoint({
    hostname: "127.0.0.1",
    port: Number(port),
    cert: readFileSync(certFile, "utf8"),
    key: readFileSync(keyFile, "utf8"),
  }),
  timers: denoTimers,
  report: console.error,
  handle(request) {
    if (request.path !== "/echo") return request.reject(404);
    const session = request.accept();
    if (session === undefined) return;
    session.events = {
      datagram: (datagram) => void session.sendDatagram(datagram),
      bidirectionalStream: (stream) => void echo(stream),
      closed: ({ closeCode, reason }) => console.log(`closed with ${closeCode} ${reason}`),
    };
  },
});
console.log(`listening on https://${server.address.hostname}:${server.address.port}/echo`);
