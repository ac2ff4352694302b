/**
 * A server for tests that shares its port with others and leaves it when it is told to.
 *
 * Takes a JSON `LeavingServerOptions` as its argument; says `{ port }` once it listens, leaves when it
 * is sent `"leave"`, and says `"left"` when it has; clears the port's steering when it is sent
 * `"clear"`, and says `"cleared"`.
 */
import type { Log } from "@starling/core/ports.ts";
import { systemClock } from "../../runtime/system.ts";
import { clearSteering, leavePort } from "../leave-port.ts";

export interface LeavingServerOptions {
  readonly hostname: string;
  /** 0 lets the system choose. */
  readonly port: number;
  readonly tls?: { readonly cert: string; readonly key: string };
  readonly settleMs: number;
  /** Whether it ends what others may have left behind; true by default. */
  readonly clears?: boolean;
}

const BUSY_MS = 5;

const options = JSON.parse(Bun.argv[2] ?? "") as LeavingServerOptions;
const { hostname, port, tls, settleMs } = options;
const server = Bun.serve({
  hostname,
  port,
  reusePort: true,
  ...(tls === undefined ? {} : { tls }),
  fetch: () => new Response(String(process.pid)),
});
const listening = server.port ?? 0;
const write = (_fields: object, message: string) => process.send?.({ logged: message });
const log: Log = { debug: write, info: write, warn: write, error: write };
if (options.clears ?? true) clearSteering([listening], log);
process.send?.({ port: listening });

// Connections wait to be accepted while a turn of the event loop is busy.
setInterval(() => {
  const end = performance.now() + BUSY_MS;
  while (performance.now() < end);
}, 2 * BUSY_MS);

process.on("message", (message) => void obey(message));

async function obey(message: unknown): Promise<void> {
  if (message === "clear") {
    clearSteering([listening], log);
    process.send?.("cleared");
    return;
  }
  let stopped: Promise<void> | undefined;
  const close = () => {
    stopped = server.stop();
  };
  await leavePort([{ port: listening, close }], { clock: systemClock, log, settleMs });
  process.send?.("left");
  await stopped;
  process.exit();
}
