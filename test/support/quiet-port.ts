import { createSocket } from "node:dgram";
import { createServer } from "node:net";

/** Below those that the system gives to connections, so that nobody takes it while its owner is away. */
const [FROM, COUNT] = [20_000, 12_000];
const ATTEMPTS = 100;

/** A port that nobody listens on, over TCP and UDP, and that stays free while who listens there starts again. */
export async function quietPort(): Promise<number> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const port = FROM + Math.floor(Math.random() * COUNT);
    if ((await isFreeOverTcp(port)) && (await isFreeOverUdp(port))) return port;
  }
  throw new Error("no port is free");
}

function isFreeOverTcp(port: number): Promise<boolean> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once("error", () => resolve(false));
    server.listen(port, () => server.close(() => resolve(true)));
  });
}

function isFreeOverUdp(port: number): Promise<boolean> {
  const socket = createSocket("udp6");
  return new Promise((resolve) => {
    socket.once("error", () => resolve(false));
    socket.bind(port, () => socket.close(() => resolve(true)));
  });
}
