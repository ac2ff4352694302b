import type { NatsConnection } from "@nats-io/nats-core";
import type { Ban } from "@starling/core/bans/ban.ts";
import type { Broker } from "@starling/core/broker/broker.ts";
import { BanBucket, type KeptBan } from "@starling/core/broker/nats/ban-bucket.ts";
import { MeshLink } from "@starling/core/broker/nats/link.ts";
import { NatsBans } from "@starling/core/broker/nats/nats-bans.ts";
import { LocalNode } from "@starling/core/testing/local-node.ts";
import { RecordingLog } from "@starling/core/testing/recording-log.ts";
import { StarlingError } from "@starling/protocol/errors.ts";
import { afterTurn, systemClock, systemRandom } from "../system.ts";
import { connectTo, type NatsServer } from "./nats-server.ts";

export const APP = "default";
const apps = new Map([[APP, { namespaces: new Map() }]]);

export interface BansNodeOptions {
  readonly server: NatsServer;
  readonly prefix: string;
  /** Default: without a user. */
  readonly connect?: () => Promise<NatsConnection>;
  /** The domain of JetStream that keeps bans; default: that of the server. */
  readonly domain?: string;
  /** Default: `false`. */
  readonly needsJetStream?: boolean;
  /** Default: longer than any test takes. */
  readonly firstReadMs?: number;
}

/** A node of which nobody else hears: what another one knows of its bans it has read. */
export class BansNode {
  readonly log = new RecordingLog();
  readonly link: MeshLink;
  readonly #options: BansNodeOptions;
  readonly #node = new LocalNode({ clock: systemClock, apps });
  readonly #broker: Broker = this.#node.join().broker;
  readonly #bans: NatsBans;

  constructor(options: BansNodeOptions) {
    const { server, connect = () => connectTo(server), firstReadMs = 120_000 } = options;
    const { needsJetStream = false } = options;
    this.#options = options;
    const shared = { clock: systemClock, random: systemRandom, log: this.log };
    this.link = new MeshLink({ ...shared, connect, afterTurn });
    const { bans } = this.#node.node;
    this.#bans = new NatsBans({
      ...{ ...shared, ...this.#place, link: this.link, firstReadMs, needsJetStream },
      learn: (found) => bans.learn(found),
    });
    bans.keepIn(this.#bans);
    this.link.start();
  }

  /** Until when users are banned, as a worker is told that asks for it when it starts. */
  async banned(): Promise<Record<string, number>> {
    const banned: Record<string, number> = {};
    for (let after: string | undefined = ""; after !== undefined; ) {
      const { bans, next } = await this.#broker.bans(after);
      for (const { user, until } of bans) if (until > 0) banned[user] = until;
      after = next === "" ? undefined : next;
    }
    return banned;
  }

  /** What is said of a user is answered with. */
  async ban(user: string, until: number): Promise<string> {
    try {
      await this.#broker.ban(APP, user, until);
      return "ok";
    } catch (error) {
      if (error instanceof StarlingError) return error.errorName;
      throw error;
    }
  }

  /** The bucket itself. */
  async bucket(): Promise<BanBucket> {
    const { connection } = this.link;
    if (connection === undefined) throw new Error("NATS is away");
    return BanBucket.open({
      ...{ connection, clock: systemClock, log: this.log, ...this.#place },
    });
  }

  /** Ends as it does when all workers have left. */
  async close(): Promise<void> {
    this.#bans.close();
    await this.link.close();
  }

  get #place() {
    const { prefix, domain } = this.#options;
    return { prefix, settings: { domain, replicas: 1, storage: "file" } as const };
  }
}

/** A ban as it is kept. */
export function banOf(user: string, until: number, keptUntil = until): Ban {
  return { app: APP, user, until, keptUntil, stamp: 1, by: "another" };
}

/** All that is in the bucket. */
export async function allIn(bucket: BanBucket): Promise<readonly KeptBan[]> {
  return (await Array.fromAsync(bucket.all())).flat();
}
