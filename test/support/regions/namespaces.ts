import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Host } from "../host.ts";
import { ServerCertificate } from "../server-certificate.ts";
import { run } from "./ip.ts";
import { newName, outerEnd, removeLeftovers, removeNamespace } from "./leftovers.ts";
import { FAR, type Line } from "./line.ts";
import { LineProcess } from "./line-process.ts";
import { type End, NetemLine } from "./netem-line.ts";
import type { RegionNetwork } from "./network.ts";

const PACKETS = fileURLToPath(new URL("./packets-program.ts", import.meta.url));
const KINDS = {
  netem: "full: network namespaces with netem between them",
  packets: "reduced: network namespaces, but no netem; a process delays and drops the packets",
} as const;
const TUN = "/dev/net/tun";
/** Port of the server of the first region, in a network that is empty. */
const LEAF_PORT = 7422;

/** What is wanting here; undefined where there are namespaces with such a line. */
export function whyNoNamespaces(way: keyof typeof KINDS): string | undefined {
  if (process.getuid?.() !== 0) return "only root may make namespaces";
  const name = newName();
  try {
    run("ip", "netns", "add", name);
    if (way === "packets") return existsSync(TUN) ? undefined : `there is no ${TUN}`;
    run("tc", "-n", name, "qdisc", "add", "dev", "lo", "root", "netem", "delay", "1ms");
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  } finally {
    removeNamespace(name);
  }
}

/** A network namespace for each region: one interface leads to the test, and one to the other region. */
export async function openNamespaces(way: keyof typeof KINDS): Promise<RegionNetwork> {
  removeLeftovers();
  const name = newName();
  const namespaces = [`${name}a`, `${name}b`] as const;
  const net = freeNet();
  const addresses = [`${net}.2`, `${net}.6`] as const;
  const certificate = new ServerCertificate(addresses);
  const remove = () => {
    for (const each of namespaces) removeNamespace(each);
    certificate[Symbol.dispose]();
  };
  try {
    for (const each of namespaces) run("ip", "netns", "add", each);
    connect(namespaces[0], `${net}.1`, addresses[0]);
    connect(namespaces[1], `${net}.5`, addresses[1]);
    const line = await open(way, namespaces, [`${net}.9`, `${net}.10`]);
    const hosts = addresses.map((address, region): Host => {
      const enter = ["ip", "netns", "exec", namespaces[region] ?? ""];
      const environment = { ...certificate.environment, ALLOWED_IPS: `${net}.0/28` };
      return { address, enter, environment };
    });
    const [home, away] = hosts;
    if (home === undefined || away === undefined) throw new Error("there are two regions");
    const leaf = `${net}.9:${LEAF_PORT}`;
    return {
      ...{ kind: KINDS[way], hosts: [home, away], line, listen: leaf, way: leaf },
      async stop() {
        await line.stop();
        remove();
      },
    };
  } catch (error) {
    remove();
    throw error;
  }
}

/** A veth pair between a namespace and the test. */
function connect(namespace: string, near: string, far: string): void {
  const [outer, inner] = [outerEnd(namespace), `${namespace}i`];
  run("ip", "link", "add", outer, "type", "veth", "peer", "name", inner, "netns", namespace);
  run("ip", "addr", "add", `${near}/30`, "dev", outer);
  run("ip", "link", "set", outer, "up");
  run("ip", "-n", namespace, "link", "set", "lo", "up");
  raise({ namespace, device: inner }, `${far}/30`);
}

function raise({ namespace, device }: End, ...address: readonly string[]): void {
  run("ip", "-n", namespace, "addr", "add", ...address, "dev", device);
  run("ip", "-n", namespace, "link", "set", device, "up");
}

/** The line between two namespaces, whose ends have these addresses. */
async function open(
  way: keyof typeof KINDS,
  [home, away]: readonly [string, string],
  [near, far]: readonly [string, string],
): Promise<Line> {
  const ends = [
    { namespace: home, device: `${home}l` },
    { namespace: away, device: `${away}l` },
  ] as const;
  const [first, second] = ends;
  if (way === "netem") {
    const peer = ["peer", "name", second.device, "netns", away];
    run("ip", "-n", home, "link", "add", first.device, "type", "veth", ...peer);
    raise(first, `${near}/30`);
    raise(second, `${far}/30`);
    return new NetemLine(ends, FAR);
  }
  const line = new LineProcess(PACKETS, first.device, second.device, JSON.stringify(FAR));
  try {
    await line.answer();
    for (const { namespace, device } of ends) run("ip", "link", "set", device, "netns", namespace);
    raise(first, near, "peer", far);
    raise(second, far, "peer", near);
    return line;
  } catch (error) {
    await line.stop();
    throw error;
  }
}

/** The first three numbers of a network, of those for tests of networks, that nothing here is in. */
function freeNet(): string {
  const taken = run("ip", "-4", "addr");
  for (;;) {
    const [a = 0, b = 0] = crypto.getRandomValues(new Uint8Array(2));
    const net = `198.${18 + (a % 2)}.${b}`;
    if (!taken.includes(` ${net}.`)) return net;
  }
}
