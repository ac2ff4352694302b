import { dirname, join } from "node:path";

const name = `@deno/${process.platform}-${process.arch}${process.platform === "linux" ? "-glibc" : ""}`;
const program = join(import.meta.dir, "webtransport-status-program.js");

/** The status of the answer to a WebTransport handshake, which Deno's client tells and a page cannot. */
export async function webTransportStatus(url: string, hash: string): Promise<number> {
  const deno = join(dirname(Bun.resolveSync(`${name}/package.json`, import.meta.dir)), "deno");
  const options = ["--quiet", "--no-prompt", "--no-lock", "--no-config", "--unstable-net"];
  const { hostname, port } = new URL(url);
  const child = Bun.spawn(
    [deno, "run", ...options, `--allow-net=${hostname}:${port}`, program, url, hash],
    { stderr: "inherit" },
  );
  const text = await new Response(child.stdout).text();
  const status = /(\d{3})/.exec(text)?.[1];
  if (status === undefined) throw new Error(`no status in ${JSON.stringify(text)}`);
  return Number(status);
}
