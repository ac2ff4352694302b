/** Values by app and channel; an app without channels costs nothing. */
export class ByChannel<T> {
  readonly #apps = new Map<string, Map<string, T>>();

  /** Apps that have channels here. */
  get apps(): number {
    return this.#apps.size;
  }

  get(app: string, channel: string): T | undefined {
    return this.#apps.get(app)?.get(channel);
  }

  set(app: string, channel: string, value: T): void {
    let channels = this.#apps.get(app);
    if (channels === undefined) {
      channels = new Map();
      this.#apps.set(app, channels);
    }
    channels.set(channel, value);
  }

  delete(app: string, channel: string): void {
    const channels = this.#apps.get(app);
    if (channels?.delete(channel) === true && channels.size === 0) this.#apps.delete(app);
  }

  clear(): void {
    this.#apps.clear();
  }

  *entries(): Iterable<readonly [string, string, T]> {
    for (const [app, channels] of this.#apps) {
      for (const [channel, value] of channels) yield [app, channel, value];
    }
  }
}
