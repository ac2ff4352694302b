import type { NatsUnderTest } from "../faults/mesh-fixture.ts";
import type { Host } from "../host.ts";
import { NatsServer } from "../nats-server.ts";
import type { Line } from "./line.ts";
import { openNetwork, type RegionNetwork } from "./network.ts";

/** Servers notice within some seconds that a line is cut; by themselves they take minutes. */
const PINGS = 'ping_interval: "1s", ping_max: 2';

/** Of the JetStream of the first region, which the second uses as if it were its own. */
const DOMAIN = "home";
const AWAY = `default_js_domain: { "$G": ${DOMAIN} }`;

/** Where the nodes of a mesh are, by their places: two in the first region, which keeps histories, one in the second. */
export const REGION_OF = [0, 0, 1] as const;
/** Their workers; 0 is a single process. */
export const WORKERS = [0, 2, 0] as const;

/**
 * Two regions with a nats-server each, the second of which is a leaf of the first, and a line between them. What is
 * kept is kept in the first.
 */
export class Regions implements NatsUnderTest {
  readonly #network: RegionNetwork;
  readonly #servers: readonly NatsServer[];

  private constructor(network: RegionNetwork, servers: readonly NatsServer[]) {
    this.#network = network;
    this.#servers = servers;
  }

  /** @param network default: the best that there is here */
  static async start(network?: RegionNetwork): Promise<Regions> {
    const chosen = network ?? (await openNetwork());
    const { hosts, listen, way } = chosen;
    // Else the leaf would be told of an address that does not lead over the line.
    const hub = `leafnodes: { listen: "${listen}", advertise: "${way}" }`;
    const leaf = `leafnodes: { remotes: [{ url: "nats-leaf://${way}" }] }`;
    const servers: NatsServer[] = [];
    try {
      servers.push(
        await NatsServer.start(`${PINGS}\n${hub}`, { host: hosts[0], domain: DOMAIN }),
        await NatsServer.start(`${PINGS}\n${AWAY}\n${leaf}`, { host: hosts[1], keeps: false }),
      );
      return new Regions(chosen, servers);
    } catch (error) {
      await Promise.all(servers.map((server) => server.stop()));
      await chosen.stop();
      throw error;
    }
  }

  get line(): Line {
    return this.#network.line;
  }

  /** Those of both regions. */
  get url(): string {
    return this.#servers.map(({ url }) => url).join(",");
  }

  urlOf(node: number): string {
    return this.#servers[REGION_OF[node] ?? 0]?.url ?? "";
  }

  hostOf(node: number): Host {
    return this.#network.hosts[REGION_OF[node] ?? 0];
  }

  async stop(): Promise<void> {
    await Promise.all(this.#servers.map((server) => server.stop()));
    await this.#network.stop();
  }
}
