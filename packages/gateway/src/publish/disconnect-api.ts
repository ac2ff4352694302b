import { type Answer, whenAnswered } from "@starling/core/answer.ts";
import type { DisconnectTarget, HubApi } from "@starling/core/hub/api.ts";
import type { Clock } from "@starling/core/ports.ts";
import { StarlingError } from "@starling/protocol/errors.ts";
import type { Config } from "../config/config.ts";
import { parseRequest, readEnvelope } from "./envelope.ts";
import {
  type Bans,
  bansQuerySchema,
  type Disconnected,
  disconnectSchema,
  MAX_BATCH,
  type Unbanned,
  unbanSchema,
} from "./schemas.ts";

/** Who is not to be connected: each operation checks all of a request, and gives back what is to be done. */
export class DisconnectApi {
  readonly #apps: Config["apps"];
  readonly #hub: Pick<HubApi, "disconnect" | "ban" | "bans">;
  readonly #clock: Clock;

  constructor(
    apps: Config["apps"],
    hub: Pick<HubApi, "disconnect" | "ban" | "bans">,
    clock: Clock,
  ) {
    this.#apps = apps;
    this.#hub = hub;
    this.#clock = clock;
  }

  disconnect(text: string): () => Answer<Disconnected> {
    const request = parseRequest(disconnectSchema, readEnvelope(text, MAX_BATCH));
    const { user, connection, ban, app } = request;
    this.#knownApp(app);
    // The schema wants exactly one of the two.
    const target: DisconnectTarget =
      user === undefined ? { connection: connection ?? "" } : { user };
    return () => {
      const disconnected = whenAnswered(
        this.#hub.disconnect(app, target),
        ({ connections, isComplete, unanswered }): Disconnected => ({
          ok: true,
          connections,
          complete: isComplete,
          unanswered: [...unanswered],
        }),
      );
      // Told behind it: a ban ends connections, too, and those would not be counted.
      const banned =
        ban === undefined || user === undefined ? undefined : this.#ban(app, user, ban);
      if (!(banned instanceof Promise)) return disconnected;
      // Both are waited for, since either may fail first.
      return Promise.all([disconnected, banned]).then(([ended]) => ended);
    };
  }

  unban(text: string): () => Answer<Unbanned> {
    const { app, user } = parseRequest(unbanSchema, readEnvelope(text, MAX_BATCH));
    this.#knownApp(app);
    return () => {
      const lifted = this.#hub.bans(app).some((ban) => ban.user === user);
      return whenAnswered(this.#hub.ban(app, user, 0), () => ({ ok: true, lifted }));
    };
  }

  /** `query` is the part of the address after the question mark. */
  bans(query: string): () => Bans {
    const { app } = parseRequest(bansQuerySchema, Object.fromEntries(new URLSearchParams(query)));
    this.#knownApp(app);
    return () => {
      const bans = this.#hub.bans(app).map(({ user, until }) => ({ user, until }));
      return { ok: true, bans };
    };
  }

  #ban(app: string, user: string, seconds: number): Answer<void> {
    return this.#hub.ban(app, user, this.#clock.now() + seconds * 1000);
  }

  #knownApp(app: string): void {
    if (!this.#apps.has(app)) {
      throw new StarlingError("unknown_app", "app: no such app is configured");
    }
  }
}
