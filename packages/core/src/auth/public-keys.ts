import { StarlingError } from "@starling/protocol/errors.ts";

export interface PublicKeysOptions {
  /** The app of each key. */
  readonly keys: ReadonlyMap<string, string>;
  /** The app that a key which is not listed leads to; undefined refuses such a key. */
  readonly openApp?: string | undefined;
}

/** The keys that pages carry in their source: they name an app, and are no secret. */
export class PublicKeys {
  readonly #options: PublicKeysOptions;

  constructor(options: PublicKeysOptions) {
    this.#options = options;
  }

  /** Whether any key is listed. */
  get isConfigured(): boolean {
    return this.#options.keys.size > 0;
  }

  /** @throws StarlingError `illegal_public_key` */
  appOf(key: string): string {
    const { keys, openApp } = this.#options;
    const app = keys.get(key) ?? openApp;
    if (app === undefined) throw new StarlingError("illegal_public_key");
    return app;
  }
}
