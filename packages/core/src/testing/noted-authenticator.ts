import { Authenticator, type Credentials } from "../auth/authenticator.ts";
import type { Identity } from "../auth/identity.ts";

/** An authenticator that a test can wait for: signatures are checked outside the event loop. */
export class NotedAuthenticator extends Authenticator {
  readonly #underWay = new Set<Promise<Identity>>();

  override authenticate(credentials: Credentials): Promise<Identity> {
    return this.#note(super.authenticate(credentials));
  }

  override refresh(current: Identity, token: string): Promise<Identity> {
    return this.#note(super.refresh(current, token));
  }

  get isIdle(): boolean {
    return this.#underWay.size === 0;
  }

  /** Settles once every question has its answer. */
  async settled(): Promise<void> {
    while (!this.isIdle) await Promise.allSettled(this.#underWay);
  }

  #note(answer: Promise<Identity>): Promise<Identity> {
    this.#underWay.add(answer);
    const forget = () => void this.#underWay.delete(answer);
    answer.then(forget, forget);
    return answer;
  }
}
