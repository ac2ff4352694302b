import {
  DiscardPolicy,
  JetStreamApiCodes,
  JetStreamApiError,
  type JetStreamManager,
  jetstreamManager,
  RetentionPolicy,
  StorageType,
  type StreamConfig,
  type StreamInfo,
} from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/nats-core";
import { sha256 } from "@noble/hashes/sha2.js";
import { StarlingError } from "@starling/protocol/errors.ts";
import type { Clock, Log } from "../../ports.ts";
import type { Retention } from "../stream.ts";
import type { MeshLink } from "./link.ts";
import type { Subjects } from "./subjects.ts";

declare const TextEncoder: new () => { encode(text: string): Uint8Array };

/** How streams are made, beside what their namespaces say. */
export interface StreamSettings {
  /** Servers that keep each message. */
  readonly replicas: number;
  readonly storage: "file" | "memory";
  /** Milliseconds for which a key is known. */
  readonly idempotencyWindowMs: number;
}

/** What a server says of a stream at one moment. */
export interface StreamState {
  readonly epoch: string;
  /** The number of the oldest message that there is, of any channel; one more than `last` where there is none. */
  readonly first: number;
  /** The number of the newest message that there ever was. */
  readonly last: number;
  /** Messages of one channel from which on the oldest is dropped. */
  readonly size: number;
  /** Up to the message `until` a channel may have had no more than `least`. */
  readonly least: number;
  readonly until: number;
}

export interface MeshStreamOptions {
  readonly link: MeshLink;
  readonly clock: Clock;
  readonly log: Log;
  readonly subjects: Subjects;
  readonly settings: StreamSettings;
  readonly app: string;
  readonly namespace: string;
  readonly retention: Retention;
  /** The stream is another one than it was. */
  renewed(stream: MeshStream): void;
}

/** Milliseconds that a server has for an answer. */
const TIMEOUT_MS = 3_000;
/** How often a stream is looked for that somebody else makes, and after how many milliseconds each. */
const ATTEMPTS = 10;
const LOOK_AGAIN_MS = 25;
const NANOS = 1_000_000;
/** Duplicates are looked for no further back than NATS does by itself, where nobody wants more. */
const DUPLICATES_MS = 120_000;
const EPOCH_CHARACTERS = 16;

/** One namespace with history: a stream of JetStream, which Starling makes and changes, and never deletes. */
export class MeshStream {
  readonly name: string;
  readonly keptPrefix: string;
  readonly #options: MeshStreamOptions;
  #manager:
    | { readonly of: NatsConnection; readonly manager: Promise<JetStreamManager> }
    | undefined;
  #ensured: Promise<StreamState> | undefined;
  #next: Promise<StreamState> | undefined;
  #looking: Promise<void> = Promise.resolve();
  #isReady = false;
  #epoch: string | undefined;
  /** The newest message that was kept for this worker. */
  #last = 0;

  constructor(options: MeshStreamOptions) {
    const { subjects, app, namespace } = options;
    this.#options = options;
    this.name = subjects.stream(app, namespace);
    this.keptPrefix = subjects.keptOf(app, namespace);
  }

  get app(): string {
    return this.#options.app;
  }

  get namespace(): string {
    return this.#options.namespace;
  }

  /** Servers that keep each message, as configured. */
  get replicas(): number {
    return this.#options.settings.replicas;
  }

  /** Undefined until the stream was found or made for the first time. */
  get epoch(): string | undefined {
    return this.#epoch;
  }

  /** Whether it was found or made over this link. */
  get isReady(): boolean {
    return this.#isReady;
  }

  /** A message was kept; a number that was there before says that the stream may be another one. */
  keptAt(offset: number): void {
    if (offset > this.#last) this.#last = offset;
    else this.doubt();
  }

  /** Whatever is known of it may not hold any more. */
  doubt(): void {
    this.reset();
    this.ready().catch(() => {});
  }

  /** Its state when it was found or made, over this link. */
  ready(): Promise<StreamState> {
    if (this.#ensured === undefined) {
      const ensured = this.#ensure();
      this.#ensured = ensured;
      // Before anybody else hears of it, so that nothing that waits is overtaken.
      ensured.then(
        () => {
          this.#isReady ||= this.#ensured === ensured;
        },
        () => {
          if (this.#ensured === ensured) this.#ensured = undefined;
        },
      );
    }
    return this.#ensured;
  }

  /** The link is another one. */
  reset(): void {
    this.#ensured = undefined;
    this.#isReady = false;
  }

  /** Its state at a moment that lies behind this call. */
  look(): Promise<StreamState> {
    // One that is under way may have been answered already; all that ask meanwhile share the next.
    this.#next ??= this.#looking.then(() => {
      this.#next = undefined;
      const look = this.#look();
      this.#looking = look.then(
        () => {},
        () => {},
      );
      return look;
    });
    return this.#next;
  }

  /** The newest number of a channel as the leader says it, which has all that was acknowledged; 0 for none. */
  async newestOf(subject: string): Promise<number> {
    const manager = await this.manager();
    const message = await manager.streams.getMessage(this.name, { last_by_subj: subject });
    return message?.seq ?? 0;
  }

  /** @throws StarlingError `broker_unavailable` while the link is down */
  manager(): Promise<JetStreamManager> {
    const of = this.#options.link.connection;
    if (of === undefined) return Promise.reject(new StarlingError("broker_unavailable"));
    if (this.#manager?.of !== of) {
      this.#manager = {
        of,
        manager: jetstreamManager(of, { checkAPI: false, timeout: TIMEOUT_MS }),
      };
    }
    return this.#manager.manager;
  }

  async #look(): Promise<StreamState> {
    await this.ready();
    try {
      const manager = await this.manager();
      return this.#take(await manager.streams.info(this.name));
    } catch (error) {
      if (isNotFound(error)) {
        this.reset();
        return this.ready();
      }
      throw unavailable(error);
    }
  }

  async #ensure(): Promise<StreamState> {
    try {
      const manager = await this.manager();
      const found = await this.#find(manager, ATTEMPTS);
      return this.#take(await this.#adjust(manager, found));
    } catch (error) {
      if (!(error instanceof StarlingError)) {
        this.#options.log.error({ error, stream: this.name }, "a stream cannot be had");
      }
      throw unavailable(error);
    }
  }

  async #find(manager: JetStreamManager, attempts: number): Promise<StreamInfo> {
    try {
      return await manager.streams.info(this.name);
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
    const { log } = this.#options;
    try {
      const made = await manager.streams.add(this.#config());
      log.info({ stream: this.name }, "a stream was made");
      return made;
    } catch (error) {
      // Somebody else may be about to make it, which a server says in several ways.
      if (attempts <= 1) throw error;
      const { clock } = this.#options;
      await new Promise<void>((resume) => void clock.setTimeout(resume, LOOK_AGAIN_MS));
      return this.#find(manager, attempts - 1);
    }
  }

  /** Changes what is not as it is wanted. */
  async #adjust(manager: JetStreamManager, found: StreamInfo): Promise<StreamInfo> {
    const { config } = found;
    // What a stream is stored on cannot be changed.
    const wanted = { ...this.#config(), storage: config.storage };
    const isSame = (Object.keys(wanted) as (keyof typeof wanted)[]).every((key) => {
      return JSON.stringify(wanted[key]) === JSON.stringify(config[key]);
    });
    if (isSame) return found;
    const { log } = this.#options;
    const grows = wanted.max_msgs_per_subject > config.max_msgs_per_subject;
    const { least } = bounds(config);
    try {
      if (!grows) {
        const description = config.description ?? "";
        return await manager.streams.update(this.name, { ...config, ...wanted, description });
      }
      // What was dropped under the old size stays dropped, so it holds for everything up to here.
      const old = Math.min(least, config.max_msgs_per_subject);
      const description = boundsText(old, Number.MAX_SAFE_INTEGER);
      const grown = await manager.streams.update(this.name, { ...config, ...wanted, description });
      return await manager.streams.update(this.name, {
        ...grown.config,
        description: boundsText(old, grown.state.last_seq),
      });
    } catch (error) {
      log.error({ error, stream: this.name }, "a stream cannot be changed to what is configured");
      return manager.streams.info(this.name);
    } finally {
      log.info({ stream: this.name }, "a stream was changed to what is configured");
    }
  }

  #take({ created, config, state }: StreamInfo): StreamState {
    const epoch = epochOf(`${this.name} ${created}`);
    const size = config.max_msgs_per_subject > 0 ? config.max_msgs_per_subject : Infinity;
    const last = state.last_seq;
    const wasRenewed = this.#epoch !== undefined && this.#epoch !== epoch;
    this.#epoch = epoch;
    if (wasRenewed) {
      this.#last = 0;
      this.#options.renewed(this);
    }
    return { epoch, first: Math.max(1, state.first_seq), last, size, ...bounds(config) };
  }

  #config(): Partial<StreamConfig> & Pick<StreamConfig, "name" | "max_msgs_per_subject"> {
    const { subjects, settings, retention, app, namespace } = this.#options;
    const { replicas, storage, idempotencyWindowMs } = settings;
    const windowMs = Math.min(retention.ttlMs, Math.max(idempotencyWindowMs, DUPLICATES_MS));
    return {
      name: this.name,
      subjects: [`${this.keptPrefix}.*`],
      // One more than is promised: then a channel that has all of them says that one was dropped.
      max_msgs_per_subject: retention.size + 1,
      max_age: retention.ttlMs * NANOS,
      duplicate_window: windowMs * NANOS,
      retention: RetentionPolicy.Limits,
      discard: DiscardPolicy.Old,
      num_replicas: replicas,
      storage: storage === "file" ? StorageType.File : StorageType.Memory,
      allow_direct: true,
      republish: {
        src: `${this.keptPrefix}.*`,
        dest: `${subjects.liveOf(app, namespace)}.{{wildcard(1)}}`,
      },
    };
  }
}

/** What the description of a stream says of its past. */
function bounds({ description = "" }: StreamConfig): Pick<StreamState, "least" | "until"> {
  const [, least, until] = /least=(\d+) until=(\d+)/.exec(description) ?? [];
  return { least: least === undefined ? Infinity : Number(least), until: Number(until ?? 0) };
}

function boundsText(least: number, until: number): string {
  return `Starling: least=${least} until=${until}`;
}

/** The epoch of a stream, which is another one when it is made anew. */
function epochOf(text: string): string {
  const hash = sha256(new TextEncoder().encode(text));
  return hash.toBase64({ alphabet: "base64url" }).slice(0, EPOCH_CHARACTERS);
}

function isNotFound(error: unknown): boolean {
  return error instanceof JetStreamApiError && error.code === JetStreamApiCodes.StreamNotFound;
}

export function unavailable(cause: unknown): StarlingError {
  if (cause instanceof StarlingError) return cause;
  return new StarlingError("broker_unavailable", "the history cannot be reached", { cause });
}
