/** What lies between two regions. */
export interface LineQuality {
  /** Milliseconds that everything takes, in each direction. */
  readonly delayMs: number;
  /** Of so many packets one is lost, in each direction. */
  readonly lossOf: number;
}

/** 80 ms there and back, and one percent is lost. */
export const FAR: LineQuality = { delayMs: 40, lossOf: 100 };

/** A line between two regions. */
export interface Line {
  /** From now on nothing passes; nobody is told. */
  cut(): Promise<void>;
  heal(): Promise<void>;
  stop(): Promise<void>;
}
