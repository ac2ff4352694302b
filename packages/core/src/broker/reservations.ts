import { StarlingError } from "@starling/protocol/errors.ts";
import type { Answer } from "../answer.ts";
import { DeadlineQueue } from "../limits/deadline-queue.ts";
import { IdempotencyWindow } from "../limits/idempotency.ts";
import type { Clock } from "../ports.ts";
import type { DeliveryKey, Published } from "./broker.ts";

/**
 * Leases for which a key is kept for the worker that reserved it. More than one: a worker that stands
 * still is gone before another may have its key, and then delivers to nobody.
 */
const RESERVATION_LEASES = 1.5;
/** Keys reserved and calls that wait for one, each, at the same time. */
const MAX_ENTRIES = 100_000;

type Answers = readonly (Published | undefined)[];

/** A call that waits until a key is free or answered. */
interface Waiter<Worker> {
  readonly worker: Worker;
  readonly keys: readonly DeliveryKey[];
  readonly resolve: (answers: Answers) => void;
  readonly reject: (error: unknown) => void;
}

interface Reservation<Worker> extends DeliveryKey {
  readonly worker: Worker;
  /** Whether the delivery is under way, so that nothing but its answer ends the reservation. */
  isUsed: boolean;
  readonly waiters: Waiter<Worker>[];
}

export interface ReservationsOptions {
  readonly clock: Clock;
  /** Milliseconds for which answers are remembered. */
  readonly windowMs: number;
  /** Milliseconds for which a worker may be silent. */
  readonly leaseMs: number;
}

/**
 * The keys of deliveries that are to be made once, whichever worker is asked to make them.
 *
 * A call that finds one of its keys reserved holds none while it waits, so that no two calls can
 * wait for one another.
 */
export class Reservations<Worker> {
  readonly #answers: IdempotencyWindow<Published>;
  readonly #reserved = new Map<string, Reservation<Worker>>();
  readonly #deadlines: DeadlineQueue<Reservation<Worker>>;
  #waiting = 0;
  #refused = 0;

  constructor({ clock, windowMs, leaseMs }: ReservationsOptions) {
    this.#answers = new IdempotencyWindow({ windowMs, clock });
    this.#deadlines = new DeadlineQueue(clock, RESERVATION_LEASES * leaseMs, (reservation) =>
      this.#end(reservation),
    );
  }

  /** Keys reserved and calls that wait. */
  get size(): number {
    return this.#reserved.size + this.#waiting;
  }

  /** Answers forgotten before their time because too many were remembered. */
  get forgottenEarly(): number {
    return this.#answers.forgottenEarly;
  }

  /** Calls refused because too many keys were reserved or waited for. */
  get refused(): number {
    return this.#refused;
  }

  /** @throws StarlingError `idempotency_conflict`, or `broker_unavailable` when it holds too much */
  reserve(worker: Worker, keys: readonly DeliveryKey[]): Answer<Answers> {
    const outcome = this.#attempt(worker, keys);
    if ("answers" in outcome) return outcome.answers;
    this.#requireRoom(this.#waiting + 1);
    return new Promise((resolve, reject) => {
      this.#waiting++;
      outcome.busy.waiters.push({ worker, keys, resolve, reject });
    });
  }

  /** The same for whoever does not wait: undefined where a key is another's, and then nothing is reserved. */
  tryReserve(worker: Worker, keys: readonly DeliveryKey[]): Answers | undefined {
    const outcome = this.#attempt(worker, keys);
    return "answers" in outcome ? outcome.answers : undefined;
  }

  /**
   * What the delivery of a key came to, where it was made.
   *
   * @throws StarlingError `idempotency_conflict`
   */
  answerOf({ key, fingerprint }: DeliveryKey): Published | undefined {
    return this.#answers.find(key, fingerprint);
  }

  /** Of these keys, frees those that the worker has not published with, and answers which these are. */
  release(worker: Worker, keys: readonly DeliveryKey[]): readonly DeliveryKey[] {
    const free: DeliveryKey[] = [];
    for (const { key, fingerprint } of keys) {
      const reservation = this.#reserved.get(key);
      if (reservation === undefined || reservation.isUsed) continue;
      if (reservation.worker === worker && reservation.fingerprint === fingerprint) {
        this.#end(reservation);
        free.push(reservation);
      }
    }
    return free;
  }

  /**
   * The worker's delivery is under way, and `answered` will follow. False, and then it must not be
   * made, where the key was another's meanwhile.
   *
   * @throws StarlingError `idempotency_conflict`
   */
  use(worker: Worker, { key, fingerprint }: DeliveryKey): boolean {
    if (this.#answers.find(key, fingerprint) !== undefined) return false;
    // One that has run out and that nobody else wanted is the worker's again.
    const reservation = this.#reserved.get(key) ?? this.#hold(worker, key, fingerprint);
    if (reservation.worker !== worker || reservation.isUsed) return false;
    if (reservation.fingerprint !== fingerprint) return false;
    reservation.isUsed = true;
    this.#deadlines.remove(reservation);
    return true;
  }

  /** What the delivery came to whose key was used. */
  answered({ key, fingerprint }: DeliveryKey, published: Published): void {
    this.#answers.remember(key, fingerprint, published);
    const reservation = this.#reserved.get(key);
    if (reservation !== undefined) this.#end(reservation);
  }

  /** The worker is gone: its keys are free, and its calls fail. */
  forget(worker: Worker): void {
    const reservations = [...this.#reserved.values()];
    for (const { waiters } of reservations) {
      const leaving = waiters.filter((waiter) => waiter.worker === worker);
      if (leaving.length === 0) continue;
      const staying = waiters.filter((waiter) => waiter.worker !== worker);
      waiters.splice(0, waiters.length, ...staying);
      this.#waiting -= leaving.length;
      for (const waiter of leaving) waiter.reject(new StarlingError("broker_unavailable"));
    }
    for (const reservation of reservations) {
      if (reservation.worker === worker && !reservation.isUsed) this.#end(reservation);
    }
  }

  /** Reserves what is new, unless a key is another's: then nothing. */
  #attempt(
    worker: Worker,
    keys: readonly DeliveryKey[],
  ): { readonly answers: Answers } | { readonly busy: Reservation<Worker> } {
    const fresh = new Map<string, string>();
    let busy: Reservation<Worker> | undefined;
    const answers = keys.map(({ key, fingerprint }) => {
      const answer = this.#answers.find(key, fingerprint);
      if (answer !== undefined) return answer;
      const reservation = this.#reserved.get(key);
      busy ??= reservation;
      const other = reservation?.fingerprint ?? fresh.get(key);
      if (other !== undefined && other !== fingerprint) {
        throw new StarlingError("idempotency_conflict");
      }
      fresh.set(key, fingerprint);
      return undefined;
    });
    if (busy !== undefined) return { busy };
    this.#requireRoom(this.#reserved.size + fresh.size);
    for (const [key, fingerprint] of fresh) this.#hold(worker, key, fingerprint);
    return { answers };
  }

  #hold(worker: Worker, key: string, fingerprint: string): Reservation<Worker> {
    const reservation = { worker, key, fingerprint, isUsed: false, waiters: [] };
    this.#reserved.set(key, reservation);
    this.#deadlines.add(reservation);
    return reservation;
  }

  /** Frees the key, and lets those who waited for it try again in the order of their coming. */
  #end(reservation: Reservation<Worker>): void {
    this.#reserved.delete(reservation.key);
    this.#deadlines.remove(reservation);
    for (const waiter of reservation.waiters.splice(0)) this.#retry(waiter);
  }

  #retry(waiter: Waiter<Worker>): void {
    try {
      const outcome = this.#attempt(waiter.worker, waiter.keys);
      if ("busy" in outcome) {
        outcome.busy.waiters.push(waiter);
        return;
      }
      waiter.resolve(outcome.answers);
    } catch (error) {
      waiter.reject(error);
    }
    this.#waiting--;
  }

  #requireRoom(entries: number): void {
    if (entries <= MAX_ENTRIES) return;
    this.#refused++;
    throw new StarlingError("broker_unavailable", "too many idempotency keys are in use");
  }
}
