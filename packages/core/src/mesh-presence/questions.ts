import { ByChannel } from "../hub/by-channel.ts";
import type { Known } from "./own-channel.ts";

/** A channel that is asked for, and by whom, with what each knows. */
export interface Question {
  readonly app: string;
  readonly channel: string;
  readonly askers: Map<string, Known>;
}

/** Questions that wait to be answered, each channel once. */
export class Questions {
  #channels = new ByChannel<Question>();
  size = 0;

  add(app: string, channel: string, asker: string, known: Known): void {
    let question = this.#channels.get(app, channel);
    if (question === undefined) {
      question = { app, channel, askers: new Map() };
      this.#channels.set(app, channel, question);
      this.size++;
    }
    question.askers.set(asker, known);
  }

  /** The same question, with whoever has asked it here, and is answered together with the others. */
  joined(question: Question): Question {
    const { app, channel } = question;
    const same = this.#channels.get(app, channel);
    if (same === undefined) return question;
    this.#channels.delete(app, channel);
    this.size--;
    return { app, channel, askers: new Map([...same.askers, ...question.askers]) };
  }

  /** All of them, which are answered now. */
  take(): readonly Question[] {
    const all = [...this.#channels.entries()].map(([, , question]) => question);
    this.#channels = new ByChannel();
    this.size = 0;
    return all;
  }
}
