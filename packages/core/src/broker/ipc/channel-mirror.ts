import type { AppConfig } from "../../hub/namespace.ts";

interface Channels {
  /** As the node says. */
  readonly known: Set<string>;
  /** Opened by this worker, of which the node has said nothing yet. */
  readonly own: Set<string>;
}

/** The channels of the apps that limit them, as far as this worker knows. */
export class ChannelMirror {
  readonly #apps: ReadonlyMap<string, AppConfig>;
  readonly #channels = new Map<string, Channels>();

  constructor(apps: ReadonlyMap<string, AppConfig>) {
    this.#apps = apps;
  }

  hasRoom(app: string, channel: string): boolean {
    const limit = this.#apps.get(app)?.maxChannels ?? 0;
    if (limit === 0) return true;
    const { known, own } = this.#of(app);
    return known.has(channel) || own.has(channel) || known.size + own.size < limit;
  }

  /** This worker has so many subscribers in the channel. */
  interest(app: string, channel: string, subscribers: number): void {
    if ((this.#apps.get(app)?.maxChannels ?? 0) === 0) return;
    const { known, own } = this.#of(app);
    if (subscribers === 0) own.delete(channel);
    else if (!known.has(channel)) own.add(channel);
  }

  /** These are all there are. */
  are(app: string, channels: readonly string[]): void {
    this.#of(app).known.clear();
    this.changed(app, channels, []);
  }

  changed(app: string, opened: readonly string[], closed: readonly string[]): void {
    const { known, own } = this.#of(app);
    for (const channel of opened) {
      known.add(channel);
      own.delete(channel);
    }
    for (const channel of closed) known.delete(channel);
  }

  #of(app: string): Channels {
    let channels = this.#channels.get(app);
    if (channels === undefined) {
      channels = { known: new Set(), own: new Set() };
      this.#channels.set(app, channels);
    }
    return channels;
  }
}
