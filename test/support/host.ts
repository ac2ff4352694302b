/** Where processes of a test run: this machine, or a network of its own on it. */
export interface Host {
  /** The address that they listen on, and under which the test reaches them. */
  readonly address: string;
  /** What stands before a command that is to run there, and is replaced by it. */
  readonly enter: readonly string[];
  /** What a gateway needs to know there. */
  readonly environment: Readonly<Record<string, string>>;
}

export const THIS_HOST: Host = { address: "127.0.0.1", enter: [], environment: {} };
