import { StarlingError } from "@starling/protocol/errors.ts";
import { type Answer, whenAnswered } from "../answer.ts";
import type { Ban } from "../bans/ban.ts";
import { BanList } from "../bans/ban-list.ts";
import type { Broker } from "../broker/broker.ts";
import type { WorkerHandlers } from "../broker/handlers.ts";
import type { Clock } from "../ports.ts";

/** Milliseconds after which is asked again what was not answered. */
const ASK_AGAIN_MS = 1_000;

export interface BannedOptions {
  readonly broker: Pick<Broker, "bans">;
  readonly handlers: Pick<WorkerHandlers, "method" | "onMissed">;
  readonly clock: Clock;
  /** Somebody is banned from now on, who may be connected. */
  banned(app: string, user: string): void;
}

/** Who may not connect to this worker: what the node knows, as it was told of it. */
export class Banned {
  readonly list: BanList;
  readonly #options: BannedOptions;

  constructor(options: BannedOptions) {
    const { handlers, clock } = options;
    this.#options = options;
    this.list = new BanList(clock);
    handlers.method("bans", (bans) => this.#learn(bans as readonly Ban[]));
    handlers.onMissed(() => void this.ask());
  }

  /** Asks the node for everything; where that takes time, it does not fail, but is done again later. */
  ask(): Answer<void> {
    const asked = this.#askFor("");
    if (!(asked instanceof Promise)) return;
    return asked.catch(
      () => void this.#options.clock.setTimeout(() => void this.ask(), ASK_AGAIN_MS),
    );
  }

  /** @throws StarlingError `banned` */
  require(app: string, user: string | undefined): void {
    if (user !== undefined && this.list.has(app, user)) throw new StarlingError("banned");
  }

  #askFor(after: string): Answer<void> {
    return whenAnswered(this.#options.broker.bans(after), ({ bans, next }) => {
      this.#learn(bans);
      return next === "" ? undefined : this.#askFor(next);
    });
  }

  #learn(bans: readonly Ban[]): void {
    for (const ban of bans) {
      const { app, user } = ban;
      if (this.list.merge(ban) && this.list.has(app, user)) this.#options.banned(app, user);
    }
  }
}
