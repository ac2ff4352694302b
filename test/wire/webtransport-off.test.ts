/** A gateway that cannot serve WebTransport. */

import { expect, setDefaultTimeout, test } from "bun:test";
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { startGatewayProcess } from "../support/gateway-process.ts";
import { httpsCall } from "../support/https.ts";

setDefaultTimeout(60_000);

/** Takes a UDP port of the loopback address. */
async function occupied(): Promise<Socket> {
  const socket = createSocket("udp4");
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  return socket;
}

test("whose UDP port is taken says so once, and serves everything else", async () => {
  const socket = await occupied();
  const { port } = socket.address();
  const gateway = await startGatewayProcess({ WEBTRANSPORT: "1", CONSUMER_PORT: String(port) });
  try {
    const line = await gateway.nextLine(
      "WebTransport is off, everything else works: see to the cause, or set WEBTRANSPORT=0",
    );
    const { level, lastWords } = line;
    expect(level).toBe("warn");
    expect(lastWords).toContain(`UDP port ${port} cannot be had: Address already in use`);
    const { status } = await httpsCall(`${gateway.subscriberUrl}/ready`, gateway.ca);
    expect(status).toBe(200);
    const lines = gateway.logLines.filter(({ worker }) => worker === "quic");
    expect(lines).toEqual([line]);
  } finally {
    expect(await gateway.stop()).toBe(0);
    socket.close();
  }
});
