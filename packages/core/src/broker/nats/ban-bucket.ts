import {
  DiscardPolicy,
  JetStreamApiCodes,
  type JetStreamManager,
  jetstream,
  jetstreamManager,
  RetentionPolicy,
  StorageType,
} from "@nats-io/jetstream";
import { type KV, type KvEntry, Kvm } from "@nats-io/kv";
import type { NatsConnection } from "@nats-io/nats-core";
import { StarlingError } from "@starling/protocol/errors.ts";
import type { Ban } from "../../bans/ban.ts";
import { MAX_BAN_SECONDS } from "../../bans/ban-list.ts";
import { readBan } from "../../bans/codec.ts";
import type { Clock, Log } from "../../ports.ts";
import { WireError } from "../ipc/wire-error.ts";
import { ANSWER_MS, isRefusedFor, jetStreamOptions, knowsLeader } from "./jetstream.ts";
import { RequestWindow } from "./request-window.ts";
import { adjustStream, type StreamSettings, type WantedConfig } from "./stream-config.ts";
import { subjectToken } from "./subjects.ts";

/** Bans that are given together. */
const AT_ONCE = 500;
/** Bytes that all bans take at most: five times what as many as may be in force usually do. */
const MAX_BYTES = 16 * 1024 * 1024;
/** Nothing that is said of a user matters for longer; a day more, since clocks differ. */
const MAX_AGE_MS = (MAX_BAN_SECONDS + 24 * 3_600) * 1_000;
const NANOS = 1_000_000;

export interface BanBucketOptions {
  readonly connection: NatsConnection;
  readonly clock: Clock;
  readonly log: Log;
  readonly prefix: string;
  readonly settings: Pick<StreamSettings, "domain" | "replicas" | "storage">;
}

/** What was kept, and which of all that the bucket has seen it is. */
export interface KeptBan {
  /** Undefined where it is none that is understood. */
  readonly ban: Ban | undefined;
  readonly key: string;
  readonly revision: number;
}

/** The bans of a mesh as JetStream keeps them: the key is the app and the user, the value what was said last. */
export class BanBucket {
  readonly #window: RequestWindow;
  readonly #name: string;
  readonly #kv: KV;
  readonly #manager: JetStreamManager;

  private constructor(clock: Clock, name: string, kv: KV, manager: JetStreamManager) {
    this.#window = new RequestWindow(clock);
    this.#name = name;
    this.#kv = kv;
    this.#manager = manager;
  }

  /** Finds it, or makes it; what is configured otherwise than before is changed. */
  static async open(options: BanBucketOptions): Promise<BanBucket> {
    const { connection, clock, log, prefix, settings } = options;
    const how = jetStreamOptions(settings.domain);
    const manager = await jetstreamManager(connection, how);
    const name = `${prefix}-bans`;
    const wanted = bucketConfig(name, settings);
    const found = await manager.streams.info(wanted.name).catch((error: unknown) => {
      if (!isRefusedFor(error, JetStreamApiCodes.StreamNotFound)) throw error;
      // Others that do so at the same time are answered alike.
      return manager.streams.add(wanted);
    });
    await adjustStream(manager, found, wanted, log);
    const kv = await new Kvm(jetstream(connection, how)).open(name);
    return new BanBucket(clock, name, kv, manager);
  }

  async get(app: string, user: string): Promise<KeptBan | undefined> {
    const entry = await this.#kv.get(keyOf(app, user));
    return entry === null ? undefined : keptIn(entry);
  }

  /**
   * Puts a ban in the place of what was there.
   *
   * @param revision of that; 0 where nothing was
   * @returns false where meanwhile something else is there
   */
  async put(ban: Ban, revision: number): Promise<boolean> {
    const { app, user } = ban;
    const options = { previousSeq: revision, timeout: ANSWER_MS };
    try {
      await this.#kv.put(keyOf(app, user), JSON.stringify(ban), options);
      return true;
    } catch (error) {
      if (isRefusedFor(error, JetStreamApiCodes.StreamWrongLastSequence)) return false;
      throw error;
    }
  }

  /**
   * Everything that there is, in parts. Each is asked for by its key, since the library's own way hangs where one is
   * removed meanwhile.
   */
  async *all(): AsyncGenerator<readonly KeptBan[]> {
    const prefix = subjectOf(this.#name, "");
    const filter = { subjects_filter: `${prefix}>` };
    const info = await this.#manager.streams.info(streamOf(this.#name), filter);
    if (!knowsLeader(info)) throw new StarlingError("broker_unavailable", "bans have no leader");
    const keys = Object.keys(info.state.subjects ?? {}).map((each) => each.slice(prefix.length));
    for (let from = 0; from < keys.length; from += AT_ONCE) {
      const asked = keys.slice(from, from + AT_ONCE);
      const entries = await Promise.all(
        asked.map((key) => this.#window.ask(() => this.#kv.get(key))),
      );
      yield entries.flatMap((entry) => (entry === null ? [] : keptIn(entry)));
    }
  }

  /** Forgets it, and nothing that has been put there since. */
  async remove({ key, revision }: KeptBan): Promise<void> {
    const filter = subjectOf(this.#name, key);
    await this.#manager.streams.purge(streamOf(this.#name), { filter, seq: revision + 1 });
  }
}

function bucketConfig(
  name: string,
  { replicas, storage }: BanBucketOptions["settings"],
): WantedConfig {
  return {
    name: streamOf(name),
    subjects: [subjectOf(name, ">")],
    max_msgs_per_subject: 1,
    max_bytes: MAX_BYTES,
    max_age: MAX_AGE_MS * NANOS,
    retention: RetentionPolicy.Limits,
    // A ban that there is no room for is refused, rather than another one forgotten.
    discard: DiscardPolicy.New,
    num_replicas: replicas,
    storage: storage === "file" ? StorageType.File : StorageType.Memory,
    allow_rollup_hdrs: true,
    deny_delete: true,
  };
}

/** As all clients of NATS name what belongs to a bucket. */
function streamOf(bucket: string): string {
  return `KV_${bucket}`;
}

function subjectOf(bucket: string, key: string): string {
  return `$KV.${bucket}.${key}`;
}

function keyOf(app: string, user: string): string {
  return `${subjectToken(app)}.${subjectToken(user)}`;
}

function keptIn(entry: KvEntry): KeptBan {
  const { key, revision } = entry;
  return { ban: banIn(entry), key, revision };
}

function banIn(entry: KvEntry): Ban | undefined {
  try {
    return readBan(entry.json());
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof WireError) return undefined;
    throw error;
  }
}
