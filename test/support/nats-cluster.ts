import { eventually } from "./deadline.ts";
import { freePort, NatsServer } from "./nats-server.ts";

/** How long a cluster may take to agree on something on a busy machine, ms. */
const AGREE_MS = 20_000;

interface Member {
  readonly name: string;
  readonly server: NatsServer;
  readonly monitor: string;
}

/** Several nats-servers of a test that keep streams together. */
export class NatsCluster {
  readonly #members: readonly Member[];

  private constructor(members: readonly Member[]) {
    this.#members = members;
  }

  static async start(size: number): Promise<NatsCluster> {
    const ports = await Promise.all(
      Array.from({ length: size }, () => Promise.all([freePort(), freePort()])),
    );
    const routes = ports.map(([route]) => `"nats://127.0.0.1:${route}"`).join(", ");
    const members = await Promise.all(
      ports.map(async ([route, http], index): Promise<Member> => {
        const name = `n${index + 1}`;
        const server = await NatsServer.start(
          [
            `server_name: ${name}`,
            `http: "127.0.0.1:${http}"`,
            `cluster: { name: test, listen: "127.0.0.1:${route}", routes: [${routes}] }`,
          ].join("\n"),
        );
        return { name, server, monitor: `http://127.0.0.1:${http}` };
      }),
    );
    return new NatsCluster(members);
  }

  /** All servers, as `NATS_URL` names them. */
  get url(): string {
    return this.#members.map(({ server }) => server.url).join(",");
  }

  /** In the order in which `url` names them. */
  get servers(): readonly NatsServer[] {
    return this.#members.map(({ server }) => server);
  }

  /** The server that at this moment leads the only stream there is. */
  async leader(): Promise<NatsServer> {
    return await eventually(
      "a leader of the stream",
      async () => {
        for (const { monitor } of this.#members) {
          const name = await leaderSeenAt(monitor);
          const found = this.#members.find((member) => member.name === name);
          if (found !== undefined) return found.server;
        }
        await Bun.sleep(50);
        return undefined;
      },
      AGREE_MS,
    );
  }

  async stop(): Promise<void> {
    await Promise.all(this.#members.map(({ server }) => server.stop()));
  }
}

/** Who leads the stream, as far as the server knows that serves this address. */
async function leaderSeenAt(monitor: string): Promise<string | undefined> {
  const answer = await fetch(`${monitor}/jsz?accounts=true&streams=true`).catch(() => undefined);
  if (answer?.ok !== true) return undefined;
  const { account_details: accounts = [] } = (await answer.json()) as Jsz;
  const [stream] = accounts.flatMap(({ stream_detail: streams = [] }) => streams);
  return stream?.cluster?.leader;
}

interface Jsz {
  readonly account_details?: readonly {
    readonly stream_detail?: readonly { readonly cluster?: { readonly leader?: string } }[];
  }[];
}
