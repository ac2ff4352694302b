/** Who may do something in a channel without a permission of their own. */
export type Audience = "nobody" | "anyone";

/** The options of one namespace: what its channels allow and how they deliver. */
export interface NamespaceConfig {
  /** Who may subscribe beside the owner of the channel; default `nobody`. */
  readonly subscribe: Audience;
  /** Which connections may publish, beside the publisher API that always may; default `nobody`. */
  readonly publish: Audience;
  /**
   * Whether a message is dropped for a subscriber that is not ready to receive at that moment,
   * instead of being buffered for it; default `false`.
   */
  readonly volatile: boolean;
}

/** The options of one tenant. */
export interface AppConfig {
  /** By name; the empty name is the default namespace, of channels without ":". */
  readonly namespaces: ReadonlyMap<string, NamespaceConfig>;
}

/** What holds where nothing is declared: nobody reads or writes a channel that is not theirs. */
export const defaultNamespace: NamespaceConfig = {
  subscribe: "nobody",
  publish: "nobody",
  volatile: false,
};

/** The namespace of a channel: the part before the first ":", or "" where there is none. */
export function namespaceOf(channel: string): string {
  const colon = channel.indexOf(":");
  return colon < 0 ? "" : channel.slice(0, colon);
}

/**
 * The options that hold in a channel: those of its namespace, else of the app's default namespace,
 * else `defaultNamespace`; the last also for an app that is not configured.
 */
export function optionsOf(
  apps: ReadonlyMap<string, AppConfig>,
  app: string,
  channel: string,
): NamespaceConfig {
  const namespaces = apps.get(app)?.namespaces;
  return namespaces?.get(namespaceOf(channel)) ?? namespaces?.get("") ?? defaultNamespace;
}
