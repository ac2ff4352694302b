/** Cuts a stream of text into its lines. */
export class LineReader {
  readonly #take: (line: string) => void;
  readonly #decoder = new TextDecoder();
  #rest = "";

  /** `take` gets each line with its newline, and what is left at the end with one added. */
  constructor(take: (line: string) => void) {
    this.#take = take;
  }

  async read(stream: ReadableStream<Uint8Array>): Promise<void> {
    for await (const chunk of stream) this.#add(this.#decoder.decode(chunk, { stream: true }));
    if (this.#rest !== "") this.#take(`${this.#rest}\n`);
    this.#rest = "";
  }

  #add(text: string): void {
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop() ?? "";
    for (const line of lines) this.#take(`${line}\n`);
    // Text without an end must not grow in memory.
    if (this.#rest.length < MAX_LINE_LENGTH) return;
    this.#take(`${this.#rest}\n`);
    this.#rest = "";
  }
}

/** Longer lines are cut in two. */
const MAX_LINE_LENGTH = 1_048_576;
