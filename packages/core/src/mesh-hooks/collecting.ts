import { type Fact, keyOf } from "./facts.ts";
import type { Ledger } from "./ledger.ts";
import type { Ask, FactsPart, Records } from "./messages.ts";
import { Parts } from "./parts.ts";
import type { Sending } from "./sending.ts";

export interface CollectingOptions {
  readonly sending: Sending;
  readonly ledger: Ledger;
  /** Whether a start of another node is there. */
  isPresent(start: string): boolean;
  ask(start: string, message: Ask): void;
}

/** Hears, as the node that sends, what has happened on the others, and asks for what it has missed. */
export class Collecting {
  readonly #options: CollectingOptions;
  readonly #facts = new Map<string, Parts<Fact>>();
  /** Starts that were asked in this tick. */
  readonly #asked = new Set<string>();

  constructor(options: CollectingOptions) {
    this.#options = options;
  }

  /** Whoever has not answered is asked again. */
  ticked(): void {
    this.#asked.clear();
  }

  /** A node says what its last record is. */
  compare(start: string, last: number): void {
    const { ledger, sending, isPresent, ask } = this.#options;
    if (!isPresent(start) || this.#asked.has(start)) return;
    const isThere = ledger.isThere(start);
    const position = ledger.position(start);
    if (isThere && position !== undefined && position >= last) return;
    this.#asked.add(start);
    ask(start, { type: "ask", log: sending.log, position, wantsFacts: !isThere });
  }

  records(start: string, { before, records }: Records): void {
    const { ledger, sending } = this.#options;
    const position = ledger.position(start);
    if (!ledger.isThere(start) || position === undefined || before > position) {
      this.compare(start, records.at(-1)?.seq ?? 0);
      return;
    }
    for (const record of records) if (record.seq > position) sending.take(start, record);
  }

  facts(start: string, part: FactsPart): void {
    const { ledger, sending, isPresent } = this.#options;
    if (!isPresent(start)) return;
    let parts = this.#facts.get(start);
    if (parts === undefined) {
      parts = new Parts();
      this.#facts.set(start, parts);
    }
    const facts = parts.add(`${part.at}`, part, part.facts);
    if (facts === undefined) return;
    this.#facts.delete(start);
    // The answer to an older question may come late.
    if (ledger.isThere(start) && (ledger.position(start) ?? 0) >= part.at) return;
    sending.know(start, part.at, new Map(facts.map((fact) => [keyOf(fact), fact])));
  }

  /** A node is gone. */
  forget(start: string): void {
    this.#facts.delete(start);
  }
}
