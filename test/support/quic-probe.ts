import { fileURLToPath } from "node:url";
import { within } from "./deadline.ts";

const DENO = fileURLToPath(new URL("../../node_modules/.bin/deno", import.meta.url));
const PROGRAM = fileURLToPath(new URL("./quic-probe-program.ts", import.meta.url));

/**
 * Opens a WebTransport session with Deno's own client, which trusts the certificate of that hash
 * alone, in base64; gives back `open`, or what went wrong.
 */
export async function probeQuic(url: string, hash: string): Promise<string> {
  const args = [
    "run",
    "--quiet",
    "--no-prompt",
    "--no-check",
    "--unstable-net",
    "--allow-net",
    PROGRAM,
  ];
  const child = Bun.spawn([DENO, ...args, url, hash], { stdout: "pipe", stderr: "inherit" });
  try {
    return (await within(new Response(child.stdout).text(), "a WebTransport client")).trim();
  } finally {
    child.kill("SIGKILL");
    await child.exited;
  }
}
