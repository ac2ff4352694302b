import { StarlingError } from "@starling/protocol/errors.ts";
import type { DeliveryKey, Published } from "../broker/broker.ts";
import type { Reservations } from "../broker/reservations.ts";
import type { Clock, Random } from "../ports.ts";
import { fraction } from "../random-fraction.ts";
import type { Homes } from "./homes.ts";
import {
  answerSaid,
  type KeysAnswer,
  keysSaid,
  readAnswer,
  readKeys,
  readPublished,
} from "./key-codec.ts";
import type { NodeQuestions } from "./questions.ts";
import type { OtherNode } from "./transport.ts";
import { fieldsOf } from "./values.ts";

/** Nodes that know of a key: one that decides, and one that takes its place when it goes. */
const HOMES = 2;
/** Milliseconds for which the one that decides is waited for, and the other one. */
const RESERVE_MS = 2_000;
const LOOK_MS = 500;
/** Milliseconds for which a key is waited for that another node is about to use, and between two attempts, at most. */
const BUSY_MS = 15_000;
const PAUSE_MS = 200;
/** Milliseconds after which an answer that was not confirmed is told once more. */
const TELL_AGAIN_MS = 1_000;

export interface KeyHomesOptions {
  readonly homes: Homes;
  readonly questions: NodeQuestions;
  readonly own: OtherNode;
  readonly clock: Clock;
  readonly random: Random;
  /** What this node knows as a home, by the start of the node that reserves. */
  readonly reservations: Reservations<string>;
}

/** What came of an attempt to have all keys. */
type Attempt = readonly (Published | undefined)[] | "busy";

/**
 * The keys of deliveries that are to be made once, whichever node is asked to make them: each has a home, where it is
 * reserved, and a second one, where its answer is found when the first is gone.
 */
export class KeyHomes {
  readonly #options: KeyHomesOptions;

  constructor(options: KeyHomesOptions) {
    this.#options = options;
  }

  /**
   * Reserves keys that this node has reserved for itself, all or none; what is known of them already.
   *
   * @throws StarlingError `idempotency_conflict`, or `broker_unavailable` where a home does not answer
   */
  async reserve(keys: readonly DeliveryKey[]): Promise<readonly (Published | undefined)[]> {
    const { clock, random } = this.#options;
    for (let waitedMs = 0; ; ) {
      const attempt = await this.#attempt(keys);
      if (attempt !== "busy") return attempt;
      if (waitedMs >= BUSY_MS) {
        throw new StarlingError("broker_unavailable", "another node is using the idempotency key");
      }
      // Two nodes that want the same keys must not meet again and again.
      const pauseMs = (PAUSE_MS / 2) * (1 + fraction(random));
      await new Promise<void>((resolve) => void clock.setTimeout(resolve, pauseMs));
      waitedMs += pauseMs;
    }
  }

  /** The delivery of a key was made, or is known to have been. */
  answered(key: DeliveryKey, published: Published): void {
    const { own, reservations } = this.#options;
    for (const { start } of this.#homesOf(key)) {
      if (start === own.start) reservations.answered(key, published);
      else void this.#tell(start, { ...key, published });
    }
  }

  /** Keys that will not be used. */
  release(keys: readonly DeliveryKey[]): void {
    for (const [start, some] of this.#byHome(keys, 0)) {
      if (start === this.#options.own.start) this.#options.reservations.release(start, some);
      // Where it is lost, the home waits for one and a half leases.
      else void this.#ask(start, "release", keysSaid(some), LOOK_MS).catch(() => {});
    }
  }

  /** What another node asks this one, as a home. */
  answer(
    start: string,
    method: "reserve" | "look" | "answered" | "release",
    said: unknown,
  ): unknown {
    const { reservations } = this.#options;
    if (method === "answered") {
      const { key, fingerprint, published } = fieldsOf(said);
      reservations.answered(
        { key: String(key), fingerprint: String(fingerprint) },
        readPublished(published),
      );
      return null;
    }
    const keys = readKeys(said);
    if (method === "release") {
      reservations.release(start, keys);
      return null;
    }
    return answerSaid(method === "reserve" ? this.#reserveHere(start, keys) : this.#lookHere(keys));
  }

  /** A node is gone, and what it had reserved is free. */
  gone(start: string): void {
    this.#options.reservations.forget(start);
  }

  async #attempt(keys: readonly DeliveryKey[]): Promise<Attempt> {
    const known = new Map<string, Published>();
    let isBusy = false;
    const note = (some: readonly DeliveryKey[], answer: KeysAnswer) => {
      isBusy ||= answer.isBusy;
      answer.answers.forEach((published, index) => {
        const key = some[index];
        if (key !== undefined && published !== undefined) known.set(key.key, published);
      });
    };
    const first = [...this.#byHome(keys, 0)].map(async ([start, some]) => {
      note(some, await this.#reserveAt(start, some));
    });
    const second = [...this.#byHome(keys, 1)].map(async ([start, some]) => {
      note(some, await this.#lookAt(start, some));
    });
    const outcomes = await Promise.allSettled([...first, ...second]);
    const faults = outcomes.flatMap((outcome) =>
      outcome.status === "rejected" ? [outcome.reason as unknown] : [],
    );
    const fresh = keys.filter(({ key }) => !known.has(key));
    if (faults.length > 0 || isBusy) this.release(fresh);
    if (faults.length > 0) throw faults.find(isConflict) ?? unavailable(faults[0]);
    if (isBusy) return "busy";
    for (const key of keys) {
      const published = known.get(key.key);
      // One of the homes may not have known.
      if (published !== undefined) this.answered(key, published);
    }
    return keys.map(({ key }) => known.get(key));
  }

  async #reserveAt(start: string, keys: readonly DeliveryKey[]): Promise<KeysAnswer> {
    if (start === this.#options.own.start) return this.#reserveHere(start, keys);
    return readAnswer(await this.#ask(start, "reserve", keysSaid(keys), RESERVE_MS));
  }

  /** The second home decides nothing, and is not missed where it does not answer. */
  async #lookAt(start: string, keys: readonly DeliveryKey[]): Promise<KeysAnswer> {
    if (start === this.#options.own.start) return this.#lookHere(keys);
    try {
      return readAnswer(await this.#ask(start, "look", keysSaid(keys), LOOK_MS));
    } catch (error) {
      if (isConflict(error)) throw error;
      return { isBusy: false, answers: [] };
    }
  }

  #reserveHere(start: string, keys: readonly DeliveryKey[]): KeysAnswer {
    const answers = this.#options.reservations.tryReserve(start, keys);
    return { isBusy: answers === undefined, answers: answers ?? [] };
  }

  #lookHere(keys: readonly DeliveryKey[]): KeysAnswer {
    return { isBusy: false, answers: keys.map((key) => this.#options.reservations.answerOf(key)) };
  }

  async #tell(start: string, said: object): Promise<void> {
    const { clock } = this.#options;
    try {
      await this.#ask(start, "answered", said, LOOK_MS);
    } catch {
      await new Promise<void>((resolve) => void clock.setTimeout(resolve, TELL_AGAIN_MS));
      await this.#ask(start, "answered", said, LOOK_MS).catch(() => {});
    }
  }

  #ask(start: string, method: string, argument: unknown, withinMs: number): Promise<unknown> {
    return this.#options.questions.ask(start, method, argument, withinMs);
  }

  #homesOf({ key }: DeliveryKey): readonly OtherNode[] {
    return this.#options.homes.of(key, HOMES);
  }

  /** The keys that have each node as their first home, or their second. */
  #byHome(keys: readonly DeliveryKey[], place: 0 | 1): ReadonlyMap<string, DeliveryKey[]> {
    const found = new Map<string, DeliveryKey[]>();
    for (const key of keys) {
      const home = this.#homesOf(key)[place];
      if (home === undefined) continue;
      const some = found.get(home.start);
      if (some === undefined) found.set(home.start, [key]);
      else some.push(key);
    }
    return found;
  }
}

function isConflict(error: unknown): boolean {
  return error instanceof StarlingError && error.errorName === "idempotency_conflict";
}

/** A home of another version may say something else than it should. */
function unavailable(error: unknown): StarlingError {
  if (error instanceof StarlingError) return error;
  return new StarlingError("broker_unavailable", "another node is of another version", {
    cause: error,
  });
}
