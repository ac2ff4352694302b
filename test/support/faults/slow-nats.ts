import { NatsServer } from "../nats-server.ts";
import type { NatsUnderTest } from "./mesh-fixture.ts";
import { type LinkQuality, SlowLink } from "./slow-link.ts";

/** A nats-server which each node reaches over a slow line of its own, and others at once. */
export class SlowNats implements NatsUnderTest {
  readonly server: NatsServer;
  readonly links: readonly SlowLink[];

  private constructor(server: NatsServer, links: readonly SlowLink[]) {
    this.server = server;
    this.links = links;
  }

  /** A line for each node. */
  static async start(qualities: readonly LinkQuality[]): Promise<SlowNats> {
    const server = await NatsServer.start();
    const opening = qualities.map((quality) => SlowLink.open(server.port, quality));
    return new SlowNats(server, await Promise.all(opening));
  }

  get url(): string {
    return this.server.url;
  }

  urlOf(node: number): string {
    return `nats://127.0.0.1:${this.links[node]?.port}`;
  }

  async stop(): Promise<void> {
    for (const link of this.links) link[Symbol.dispose]();
    await this.server.stop();
  }
}
