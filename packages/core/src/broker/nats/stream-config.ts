import {
  DiscardPolicy,
  type JetStreamManager,
  RetentionPolicy,
  StorageType,
  type StreamConfig,
  type StreamInfo,
} from "@nats-io/jetstream";
import type { Log } from "../../ports.ts";
import type { Retention } from "../stream.ts";

/** How streams are made, beside what their namespaces say. */
export interface StreamSettings {
  /** The domain of JetStream that keeps them; undefined for that of the server that a worker is connected to. */
  readonly domain?: string | undefined;
  /** Servers that keep each message. */
  readonly replicas: number;
  readonly storage: "file" | "memory";
  /** Milliseconds for which a key is known. */
  readonly idempotencyWindowMs: number;
}

export type WantedConfig = Partial<StreamConfig> &
  Pick<StreamConfig, "name" | "max_msgs_per_subject">;

/** What a stream says of its past: up to the message `until` a channel may have had no more than `least`. */
export interface StreamBounds {
  readonly least: number;
  readonly until: number;
}

const NANOS = 1_000_000;
/** Duplicates are looked for no further back than NATS does by itself, where nobody wants more. */
const DUPLICATES_MS = 120_000;

/** How the stream of a namespace is to be. */
export function wantedConfig(
  name: string,
  /** Subjects without their last token: what is published, and what the stream says that it has kept. */
  { kept, live }: { readonly kept: string; readonly live: string },
  { replicas, storage, idempotencyWindowMs }: StreamSettings,
  retention: Retention,
): WantedConfig {
  const windowMs = Math.min(retention.ttlMs, Math.max(idempotencyWindowMs, DUPLICATES_MS));
  return {
    name,
    subjects: [`${kept}.*`],
    // One more than is promised: then a channel that has all of them says that one was dropped.
    max_msgs_per_subject: retention.size + 1,
    max_age: retention.ttlMs * NANOS,
    duplicate_window: windowMs * NANOS,
    retention: RetentionPolicy.Limits,
    discard: DiscardPolicy.Old,
    num_replicas: replicas,
    storage: storage === "file" ? StorageType.File : StorageType.Memory,
    allow_direct: true,
    republish: { src: `${kept}.*`, dest: `${live}.{{wildcard(1)}}` },
  };
}

/** Changes what is not as it is wanted; answers how the stream is then. */
export async function adjustStream(
  manager: JetStreamManager,
  found: StreamInfo,
  allWanted: WantedConfig,
  log: Log,
): Promise<StreamInfo> {
  const { config } = found;
  const { name } = config;
  // What a stream is stored on cannot be changed.
  const wanted = { ...allWanted, storage: config.storage };
  const isSame = (Object.keys(wanted) as (keyof typeof wanted)[]).every((key) => {
    return JSON.stringify(wanted[key]) === JSON.stringify(config[key]);
  });
  if (isSame) return found;
  try {
    const changed = await change(manager, config, wanted);
    log.info({ stream: name }, "a stream was changed to what is configured");
    return changed;
  } catch (error) {
    log.error({ error, stream: name }, "a stream cannot be changed to what is configured");
    return manager.streams.info(name);
  }
}

async function change(
  manager: JetStreamManager,
  config: StreamConfig,
  wanted: WantedConfig,
): Promise<StreamInfo> {
  const { name } = config;
  const { least } = boundsOf(config);
  if (wanted.max_msgs_per_subject <= config.max_msgs_per_subject) {
    const description = config.description ?? "";
    return manager.streams.update(name, { ...config, ...wanted, description });
  }
  // What was dropped under the old size stays dropped, so it holds for everything up to here.
  const old = Math.min(least, config.max_msgs_per_subject);
  const description = boundsText(old, Number.MAX_SAFE_INTEGER);
  const grown = await manager.streams.update(name, { ...config, ...wanted, description });
  return manager.streams.update(name, {
    ...grown.config,
    description: boundsText(old, grown.state.last_seq),
  });
}

export function boundsOf({ description = "" }: StreamConfig): StreamBounds {
  const [, least, until] = /least=(\d+) until=(\d+)/.exec(description) ?? [];
  return { least: least === undefined ? Infinity : Number(least), until: Number(until ?? 0) };
}

function boundsText(least: number, until: number): string {
  return `Starling: least=${least} until=${until}`;
}
