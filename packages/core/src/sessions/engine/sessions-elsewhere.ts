import type { Answer } from "../../answer.ts";
import type { WorkerId } from "../../broker/broker.ts";
import type { Random } from "../../ports.ts";
import { Arrival, type ArrivalContext } from "./arrival.ts";
import { Question } from "./cluster.ts";
import { type ForeignRequest, RequestForwarder } from "./forwarder.ts";
import { engineRefusal, type HttpAnswer } from "./http.ts";
import { SessionOwner, type SessionOwnerOptions } from "./owner.ts";
import type { SocketAdmission } from "./server.ts";
import { ownerOf } from "./session-id.ts";

export interface SessionsElsewhereOptions<Data>
  extends SessionOwnerOptions<Data>,
    Omit<ArrivalContext<Data>, "enter" | "leave"> {
  readonly random: Random;
}

/** Sessions of other workers whose clients came here, and ours whose clients came to others. */
export class SessionsElsewhere<Data> {
  readonly #options: SessionsElsewhereOptions<Data>;
  readonly #forwarder: RequestForwarder;
  readonly #arrivals = new Set<Arrival<Data>>();
  readonly #context: ArrivalContext<Data>;

  constructor(options: SessionsElsewhereOptions<Data>) {
    this.#options = options;
    const { cluster, counters } = options;
    this.#forwarder = new RequestForwarder(cluster.broker, counters);
    this.#context = {
      ...options,
      enter: (arrival) => this.#arrivals.add(arrival),
      leave: (arrival) => this.#arrivals.delete(arrival),
    };
    new SessionOwner(options).listen();
    cluster.handlers.onMissed(() => {
      for (const arrival of [...this.#arrivals]) arrival.missed();
    });
  }

  get worker(): WorkerId {
    return this.#options.cluster.broker.worker;
  }

  /** A long-polling request; answers undefined where no other worker can know the session. */
  request(id: string, request: ForeignRequest): Answer<HttpAnswer> | undefined {
    const owner = this.#ownerOf(id);
    return owner === undefined ? undefined : this.#forwarder.pass(owner, id, request);
  }

  /** Lets no poll of other workers' sessions wait here any more. */
  leave(): void {
    this.#forwarder.leave();
  }

  /** A WebSocket handshake; answers undefined where no other worker can know the session. */
  admitSocket(id: string): Promise<SocketAdmission> | undefined {
    const owner = this.#ownerOf(id);
    return owner === undefined ? undefined : this.#admitTo(owner, id);
  }

  async #admitTo(owner: WorkerId, sid: string): Promise<SocketAdmission> {
    const { cluster, random } = this.#options;
    // Whoever is gone knows nothing.
    const isKnown = await cluster.broker.call(owner, Question.knows, sid).catch(() => false);
    if (isKnown !== true) return { refusal: engineRefusal("unknownSession") };
    const probe = random.bytes(15).toBase64();
    return { handler: new Arrival(this.#context, owner, { sid, probe }) };
  }

  #ownerOf(id: string): WorkerId | undefined {
    const owner = ownerOf(id);
    return owner === this.worker ? undefined : owner;
  }
}
