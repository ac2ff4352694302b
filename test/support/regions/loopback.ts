import { fileURLToPath } from "node:url";
import { THIS_HOST } from "../host.ts";
import { freePort } from "../nats-server.ts";
import { FAR } from "./line.ts";
import { LineProcess } from "./line-process.ts";
import type { RegionNetwork } from "./network.ts";

const RELAY = fileURLToPath(new URL("./relay-program.ts", import.meta.url));

/** All processes on the loopback address, and a relay for the connections between the regions. */
export async function openLoopback(): Promise<RegionNetwork> {
  const listen = `127.0.0.1:${await freePort()}`;
  const line = new LineProcess(RELAY, `tcp://${listen}`, JSON.stringify(FAR));
  return {
    kind: "reduced: processes on the loopback address; a relay delays and stalls what passes",
    hosts: [THIS_HOST, THIS_HOST],
    line,
    listen,
    way: `127.0.0.1:${await line.answer()}`,
    stop: () => line.stop(),
  };
}
