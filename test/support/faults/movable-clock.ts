import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Debian's libfaketime, which its package `faketime` brings; the loader puts in where libraries are. */
const LIBRARY = "/usr/$LIB/faketime/libfaketime.so.1";

/**
 * The time of day of processes that are told of it, which a test sets as an operator or NTP does: it jumps, while timers
 * and the clock that only counts go on as they were.
 */
export class MovableClock implements Disposable {
  readonly #folder = mkdtempSync(join(tmpdir(), "starling-clock-"));

  constructor() {
    this.set(0);
  }

  /** What such a process has in its environment, and hands on to its own. */
  get environment(): Readonly<Record<string, string>> {
    return {
      LD_PRELOAD: LIBRARY,
      FAKETIME_TIMESTAMP_FILE: this.#file,
      // Read at each look at the clock, so that all of its processes jump at once.
      FAKETIME_NO_CACHE: "1",
      FAKETIME_DONT_FAKE_MONOTONIC: "1",
    };
  }

  /** From now on it is so many seconds fast; below 0, slow. */
  set(seconds: number): void {
    const written = `${this.#file}.new`;
    writeFileSync(written, `${seconds < 0 ? "" : "+"}${seconds}`);
    renameSync(written, this.#file);
  }

  [Symbol.dispose](): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }

  get #file(): string {
    return join(this.#folder, "offset");
  }
}
