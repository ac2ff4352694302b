import {
  JetStreamApiCodes,
  type JetStreamManager,
  jetstreamManager,
  type MsgRequest,
  type StreamInfo,
  type StreamInfoRequestOptions,
} from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/nats-core";
import { sha256 } from "@noble/hashes/sha2.js";
import { StarlingError } from "@starling/protocol/errors.ts";
import type { Clock, Log } from "../../ports.ts";
import type { Retention } from "../stream.ts";
import { isRefusedFor, jetStreamOptions, knowsLeader } from "./jetstream.ts";
import type { MeshLink } from "./link.ts";
import type { RequestWindow } from "./request-window.ts";
import type { StoredMessage } from "./stored-message.ts";
import {
  adjustStream,
  boundsOf,
  type StreamBounds,
  type StreamSettings,
  type WantedConfig,
  wantedConfig,
} from "./stream-config.ts";
import type { Subjects } from "./subjects.ts";
import { within } from "./within.ts";

declare const TextEncoder: new () => { encode(text: string): Uint8Array };

/** What a server says of a stream at one moment. */
export interface StreamState extends StreamBounds {
  readonly epoch: string;
  /** The number of the oldest message that there is, of any channel; one more than `last` where there is none. */
  readonly first: number;
  /** The number of the newest message that there ever was. */
  readonly last: number;
  /** Messages of one channel from which on the oldest is dropped. */
  readonly size: number;
}

export interface MeshStreamOptions {
  readonly link: MeshLink;
  readonly clock: Clock;
  /** Of all streams of the link. */
  readonly window: RequestWindow;
  readonly log: Log;
  readonly subjects: Subjects;
  readonly settings: StreamSettings;
  readonly app: string;
  readonly namespace: string;
  readonly retention: Retention;
  /** The stream is another one than it was. */
  renewed(stream: MeshStream): void;
}

/** How often a stream is looked for that somebody else makes, and after how many milliseconds each. */
const ATTEMPTS = 10;
const LOOK_AGAIN_MS = 25;
/** How often a stream is looked at whose answer comes from a server that does not know its leader. */
const LEADERLESS_ATTEMPTS = 60;
/** Milliseconds after which a look that has no answer yet does not hold up the next. */
const OVERTAKE_MS = 250;
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
  #isAway = false;
  #epoch: string | undefined;
  /** When it was heard of last, ms since the epoch. */
  #heardAt = 0;
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

  /** The domain that keeps it, where one is named. */
  get domain(): string | undefined {
    return this.#options.settings.domain;
  }

  /** Milliseconds for which each message is kept, as configured. */
  get ttlMs(): number {
    return this.#options.retention.ttlMs;
  }

  /** Undefined until the stream was found or made for the first time. */
  get epoch(): string | undefined {
    return this.#epoch;
  }

  /** Whether it was found or made over this link. */
  get isReady(): boolean {
    return this.#isReady;
  }

  /** When something of it came to this worker last, ms since the epoch. */
  get heardAt(): number {
    return this.#heardAt;
  }

  /** Questions that one reading may have under way at this moment. */
  get atOnce(): number {
    return this.#options.window.share;
  }

  /** Something of it has come, so that whoever waits for more does so with reason. */
  heard(): void {
    this.#heardAt = this.#options.clock.now();
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
      this.#looking = this.#ended(look);
      return look;
    });
    return this.#next;
  }

  /** The newest number of a channel as the leader says it, which has all that was acknowledged; 0 for none. */
  async newestOf(subject: string): Promise<number> {
    return (await this.newest(subject))?.offset ?? 0;
  }

  /** The newest message of a channel, as the leader has it. */
  newest(subject: string): Promise<StoredMessage | undefined> {
    return this.#message({ last_by_subj: subject });
  }

  /** The first message of a channel that has this number or a higher one, as the leader has it. */
  next(subject: string, from: number): Promise<StoredMessage | undefined> {
    // The library's type does not know that servers from 2.9 on take both.
    const request = { seq: from, next_by_subj: subject };
    return this.#message(request);
  }

  /** How many messages a channel has. */
  async countOf(subject: string): Promise<number> {
    const manager = await this.manager();
    const { state } = await this.#info(manager, { subjects_filter: subject });
    return state.subjects?.[subject] ?? 0;
  }

  /** @throws StarlingError `broker_unavailable` while the link is down */
  manager(): Promise<JetStreamManager> {
    const of = this.#options.link.connection;
    if (of === undefined) return Promise.reject(new StarlingError("broker_unavailable"));
    if (this.#manager?.of !== of) {
      this.#manager = {
        of,
        manager: jetstreamManager(of, jetStreamOptions(this.domain)),
      };
    }
    return this.#manager.manager;
  }

  async #message(request: MsgRequest): Promise<StoredMessage | undefined> {
    const ask = async () => (await this.manager()).streams.getMessage(this.name, request);
    const stored = await this.#options.window.ask(ask);
    this.heard();
    if (stored === null) return undefined;
    const { subject, data, header, seq, timestamp } = stored;
    return {
      offset: seq,
      time: Date.parse(timestamp),
      message: { subject, data, headers: header },
    };
  }

  /** When a look has ended, or does not hold up the next any longer. */
  async #ended(look: Promise<unknown>): Promise<void> {
    const { clock } = this.#options;
    await within(clock, OVERTAKE_MS, look).catch(() => {});
  }

  async #look(): Promise<StreamState> {
    await this.ready();
    try {
      const manager = await this.manager();
      return this.#take(await this.#info(manager));
    } catch (error) {
      if (isNotFound(error)) {
        this.reset();
        return this.ready();
      }
      throw unavailable(error);
    }
  }

  async #ensure(): Promise<StreamState> {
    const { log } = this.#options;
    try {
      const manager = await this.manager();
      const found = await this.#find(manager, ATTEMPTS);
      const adjusted = await adjustStream(manager, found, this.#config(), log);
      if (this.#isAway) log.info({ stream: this.name }, "a stream is there again");
      this.#isAway = false;
      return this.#take(adjusted);
    } catch (error) {
      // It is looked for again and again, and only the first time is news.
      if (!(error instanceof StarlingError || this.#isAway)) {
        this.#isAway = true;
        log.error({ error, stream: this.name }, "a stream cannot be had; trying again");
      }
      throw unavailable(error);
    }
  }

  /**
   * What a server says of the stream. One that has come back and does not know the leader yet answers, too, with
   * what it had when it was lost, and before the leader where it is the nearer one.
   */
  async #info(
    manager: JetStreamManager,
    options?: Partial<StreamInfoRequestOptions>,
  ): Promise<StreamInfo> {
    for (let left = LEADERLESS_ATTEMPTS; left > 0; left--) {
      const info = await manager.streams.info(this.name, options);
      if (knowsLeader(info)) {
        this.heard();
        return info;
      }
      await this.#pause();
    }
    throw new StarlingError("broker_unavailable", "a stream has no leader");
  }

  #pause(): Promise<void> {
    const { clock } = this.#options;
    return new Promise((resume) => void clock.setTimeout(resume, LOOK_AGAIN_MS));
  }

  async #find(manager: JetStreamManager, attempts: number): Promise<StreamInfo> {
    try {
      return await this.#info(manager);
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
      await this.#pause();
      return this.#find(manager, attempts - 1);
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
    return { epoch, first: Math.max(1, state.first_seq), last, size, ...boundsOf(config) };
  }

  #config(): WantedConfig {
    const { subjects, settings, retention, app, namespace } = this.#options;
    const prefixes = { kept: this.keptPrefix, live: subjects.liveOf(app, namespace) };
    return wantedConfig(this.name, prefixes, settings, retention);
  }
}

/** The epoch of a stream, which is another one when it is made anew. */
function epochOf(text: string): string {
  const hash = sha256(new TextEncoder().encode(text));
  return hash.toBase64({ alphabet: "base64url" }).slice(0, EPOCH_CHARACTERS);
}

function isNotFound(error: unknown): boolean {
  return isRefusedFor(error, JetStreamApiCodes.StreamNotFound);
}

export function unavailable(cause: unknown): StarlingError {
  if (cause instanceof StarlingError) return cause;
  return new StarlingError("broker_unavailable", "the history cannot be reached", { cause });
}
