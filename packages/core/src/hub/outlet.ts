import type { Clock, Fanout } from "../ports.ts";
import type { SubscriberGroup } from "./channel.ts";
import type { Counters } from "./counters.ts";
import type { Publication } from "./publication.ts";
import type { Frame, Subscriber } from "./subscriber.ts";

export interface OutletOptions {
  readonly fanout: Fanout;
  readonly clock: Clock;
  readonly counters: Counters;
  readonly slowConsumerBytes: number;
}

/**
 * How sure it is that a frame arrives: `reliable` waits for who is not ready; `volatile` passes over
 * who is not; `unreliable` may be lost on the way as well.
 */
export type Reliability = "reliable" | "volatile" | "unreliable";

/** Hands frames to subscribers, and finds those who do not keep up. */
export class Outlet {
  readonly #options: OutletOptions;
  /** Where somebody buffered since the last look at buffers. */
  readonly #lagging = new Set<SubscriberGroup>();
  /** What was published to them since. */
  #unseenBytes = 0;
  #isLooking = false;

  constructor(options: OutletOptions) {
    this.#options = options;
  }

  /** Answers how many subscribers the frames were for, which may be those of a publication. */
  hand(
    group: SubscriberGroup,
    frames: readonly Frame[],
    reliability: Reliability,
    except: Subscriber | undefined,
    publication?: Publication,
  ): number {
    // Counted before, since who is cut by this very frame is no member afterwards.
    const reached = except !== undefined && group.has(except) ? group.size - 1 : group.size;
    if (reliability === "reliable") this.#handAll(group, frames, except, publication);
    else this.#handVolatile(group, frames, reliability, except, publication?.id);
    return reached;
  }

  #handAll(
    group: SubscriberGroup,
    frames: readonly Frame[],
    except: Subscriber | undefined,
    publication: Publication | undefined,
  ): void {
    for (const frame of frames) {
      const outcome = group.fanOut(this.#options.fanout, frame, except);
      if (outcome === 0) this.#cutSlowConsumers(group);
      else if (outcome < 0) this.#lookLater(group, frame.length);
    }
    if (!group.hasDetached) return;
    const { id, position } = publication ?? {};
    for (const subscriber of group.detached) {
      if (subscriber !== except) subscriber.deliver(frames, id, position?.offset, publication);
    }
  }

  /** Native fan-out while nobody lags; else one by one, passing over whoever is not ready. */
  #handVolatile(
    group: SubscriberGroup,
    frames: readonly Frame[],
    reliability: "volatile" | "unreliable",
    except: Subscriber | undefined,
    id: number | undefined,
  ): void {
    const { fanout } = this.#options;
    if (!group.isLagging && !group.hasDetached) {
      for (const frame of frames) {
        const outcome =
          reliability === "volatile"
            ? group.fanOut(fanout, frame, except)
            : group.fanOutUnreliable(fanout, frame, except);
        if (outcome <= 0) group.isLagging = true;
      }
      return;
    }
    group.isLagging = false;
    for (const subscriber of group.members) {
      if (subscriber === except) continue;
      if (subscriber.isReady()) {
        subscriber.deliver(frames, id);
      } else {
        group.isLagging = true;
        this.#options.counters.volatileDrops++;
      }
    }
  }

  /**
   * The runtime writes what is published at the end of its turn, and only then may somebody be over
   * the limit; nobody can be before a good part of the limit was published since the last look.
   */
  #lookLater(group: SubscriberGroup, bytes: number): void {
    this.#lagging.add(group);
    this.#unseenBytes += bytes;
    if (this.#isLooking || this.#unseenBytes < this.#options.slowConsumerBytes / 4) return;
    this.#isLooking = true;
    this.#options.clock.setTimeout(() => {
      this.#isLooking = false;
      this.#unseenBytes = 0;
      const groups = [...this.#lagging];
      this.#lagging.clear();
      for (const each of groups) this.#cutSlowConsumers(each);
    }, 0);
  }

  /** The native publish does not say who buffers or lost a frame: those over the limit are cut. */
  #cutSlowConsumers(group: SubscriberGroup): void {
    const limit = this.#options.slowConsumerBytes;
    const slow = [...group.members].filter(
      ({ socket }) => socket !== undefined && socket.getBufferedAmount() > limit,
    );
    for (const subscriber of slow) subscriber.cutSlow();
  }
}
