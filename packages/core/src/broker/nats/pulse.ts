import type { Msg, NatsConnection } from "@nats-io/nats-core";
import type { Clock, Log, TimerHandle } from "../../ports.ts";
import type { MeshLink } from "./link.ts";
import type { Subjects } from "./subjects.ts";
import { subscribeTo } from "./subscribe.ts";

declare const TextDecoder: new (label: "utf-8") => { decode(bytes: Uint8Array): string };
const decoder = new TextDecoder("utf-8");

/** Servers try a broken line to another one again after a second: no cut is shorter than a beat. */
const BEAT_MS = 750;
/** In a large mesh each worker speaks so much more seldom that nobody hears more than fifty a second. */
const BEAT_MS_PER_SENDER = 20;
/** Beats after a link came up for which it is no sign of anything that others come to be heard: servers may just start. */
const NEW_LINK_BEATS = 20;
/** Beats within which all senders behind a line that was cut have been heard again. */
const SETTLE_BEATS = 3;
/** Beats within which whoever is there is heard. */
const HEARD_BEATS = 4;
/** Beats of silence after which a worker is forgotten. */
const FORGET_BEATS = 100;
const MAX_SENDERS = 10_000;

export interface PulseOptions {
  readonly link: Pick<MeshLink, "connection" | "flushed" | "use">;
  readonly clock: Clock;
  readonly log: Log;
  readonly subjects: Subjects;
  /** Names this worker among all of the mesh and of all times. */
  readonly origin: string;
  /** The node of this worker, with which its name and those of its siblings begin. */
  readonly node: string;
  /** Messages of others may have been lost since that moment, ms since the epoch. */
  lost(since: number): void;
}

interface Sender {
  number: number;
  /** The beat of this worker at which it was heard last, and when that was, ms since the epoch. */
  beat: number;
  heardAt: number;
}

/**
 * Numbered beats of every worker, by which others find that messages were lost between servers of NATS: a worker whose
 * own link is as it was is told of that by nobody. A number is used until NATS has confirmed it, so that one that is
 * missing was lost behind the sender's server.
 */
export class Pulse {
  readonly #options: PulseOptions;
  readonly #senders = new Map<string, Sender>();
  #timer: TimerHandle;
  #connection: NatsConnection | undefined;
  #confirmed = 0;
  #isConfirming = false;
  /** Beats of this worker, and the one at which its link came up. */
  #beat = 0;
  #upAt = 0;
  /** At which beat it was found that something was lost, and since when that may be. */
  #found: { readonly beat: number; since: number } | undefined;

  constructor(options: PulseOptions) {
    this.#options = options;
    this.#timer = this.#next();
    options.link.use({
      up: (connection) => this.#up(connection),
      down: () => {
        // Whoever comes back is told everything.
        this.#found = undefined;
        this.#senders.clear();
      },
    });
  }

  /** Workers of other nodes that were heard of late. */
  get heard(): number {
    const { node } = this.#options;
    let count = 0;
    for (const [name, { beat }] of this.#senders) {
      if (this.#beat - beat < HEARD_BEATS && !name.startsWith(`${node}.`)) count++;
    }
    return count;
  }

  close(): void {
    this.#options.clock.clearTimeout(this.#timer);
  }

  #up(connection: NatsConnection): void {
    this.#upAt = this.#beat;
    if (this.#connection !== connection) {
      this.#connection = connection;
      const { subjects, log } = this.#options;
      subscribeTo(connection, subjects.pulse, { log, heard: (message) => this.#take(message) });
    }
    this.#send();
  }

  #next(): TimerHandle {
    const delayMs = Math.max(BEAT_MS, this.#senders.size * BEAT_MS_PER_SENDER);
    return this.#options.clock.setTimeout(() => {
      this.#timer = this.#next();
      this.#beat++;
      this.#send();
      this.#forget();
      this.#tell();
    }, delayMs);
  }

  #send(): void {
    const { link, subjects, origin } = this.#options;
    if (link.connection === undefined || this.#isConfirming) return;
    const number = this.#confirmed + 1;
    link.connection.publish(subjects.pulse, `${origin} ${number}`);
    this.#isConfirming = true;
    void link.flushed().then((hasArrived) => {
      this.#isConfirming = false;
      if (hasArrived) this.#confirmed = number;
    });
  }

  #take({ data }: Msg): void {
    const [, name, digits] = /^([\w.-]{1,128}) (\d{1,15})$/.exec(decoder.decode(data)) ?? [];
    const { origin, clock } = this.#options;
    if (name === undefined || name === origin) return;
    const number = Number(digits);
    const now = clock.now();
    const known = this.#senders.get(name);
    if (known === undefined) {
      if (this.#senders.size >= MAX_SENDERS) return;
      this.#senders.set(name, { number, beat: this.#beat, heardAt: now });
      // It was there before, out of reach, and nobody knows for how long.
      if (number > 1 && this.#beat - this.#upAt > NEW_LINK_BEATS) this.#lost(0);
      return;
    }
    if (number > known.number + 1) this.#lost(known.heardAt);
    known.number = Math.max(known.number, number);
    known.beat = this.#beat;
    known.heardAt = now;
  }

  #lost(since: number): void {
    this.#found ??= { beat: this.#beat, since };
    this.#found.since = Math.min(this.#found.since, since);
  }

  /** Once for all senders behind the same line. */
  #tell(): void {
    const { log, lost } = this.#options;
    const found = this.#found;
    if (found === undefined || this.#beat - found.beat < SETTLE_BEATS) return;
    this.#found = undefined;
    log.warn({}, "messages of other nodes were lost between servers of NATS");
    lost(found.since);
  }

  #forget(): void {
    for (const [name, { beat }] of this.#senders) {
      if (this.#beat - beat > FORGET_BEATS) this.#senders.delete(name);
    }
  }
}
