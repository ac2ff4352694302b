import type { Retention } from "../broker/stream.ts";

/** The app that requests without an app name, and the earlier generations, belong to. */
export const DEFAULT_APP = "default";

/**
 * Who may do something in a channel, each including those before it: no client at all; whose token
 * lists the channel; whoever was authenticated; anyone who may connect.
 */
export type Audience = "nobody" | "token" | "authenticated" | "anyone";

export const audiences = [
  "nobody",
  "token",
  "authenticated",
  "anyone",
] as const satisfies readonly Audience[];

/** The options of one namespace: what its channels allow and how they deliver. */
export interface NamespaceConfig {
  /** Who may subscribe beside the owner of the channel; default `token`. */
  readonly subscribe: Audience;
  /** Which connections may publish, beside the publisher API that always may; default `token`. */
  readonly publish: Audience;
  /** Who may see the members of a channel and be one of them; default `token`. */
  readonly presence?: Audience;
  /**
   * Milliseconds for which a join or a leave is held back; a member that leaves and comes back
   * within that time is not announced. Default 0: everything is announced at once.
   */
  readonly presenceDebounceMs?: number;
  /**
   * Milliseconds of a flush window in which at most one state of each member is sent, the latest;
   * default 0: every state is sent.
   */
  readonly conflateMs?: number;
  /**
   * Whether a message is dropped for a subscriber that is not ready to receive at that moment,
   * instead of being buffered for it; default `false`.
   */
  readonly volatile: boolean;
  /** What channels keep of what is published in them; undefined is nothing. */
  readonly history?: Retention;
  /**
   * Whether whoever may subscribe may have what is kept, too: what they missed while they were away, or the
   * last publications. Default `false`: history is for publishers only.
   */
  readonly recover?: boolean;
}

/** The options of one tenant. */
export interface AppConfig {
  /** By name; the empty name is the default namespace, of channels without ":". */
  readonly namespaces: ReadonlyMap<string, NamespaceConfig>;
  /**
   * What clients of the signalling protocol may do in channels that no namespace is declared for:
   * everything (`open`), or what `defaultNamespace` says (`closed`, the default).
   */
  readonly signalling?: SignallingPolicy;
  /** Connections that the app may have at one time; 0 and undefined = no limit. */
  readonly maxConnections?: number;
  /** Channels that the app may have at one time; 0 and undefined = no limit. */
  readonly maxChannels?: number;
  /** Connections that one user of the app may have at one time; 0 and undefined = no limit. */
  readonly maxConnectionsPerUser?: number;
  /**
   * Whether the node is told of each connection by its id, since a hook wants to know, or those of users are limited;
   * default `false`.
   */
  readonly tellsConnections?: boolean;
}

export type SignallingPolicy = "open" | "closed";

/**
 * What holds where nothing is declared: nobody reads or writes a channel that is not theirs, but by
 * a permission for it.
 */
export const defaultNamespace: Required<Omit<NamespaceConfig, "history">> = {
  subscribe: "token",
  publish: "token",
  presence: "token",
  presenceDebounceMs: 0,
  conflateMs: 0,
  volatile: false,
  recover: false,
};

/** The namespace of a channel: the part before the first ":", or "" where there is none. */
export function namespaceOf(channel: string): string {
  const colon = channel.indexOf(":");
  return colon < 0 ? "" : channel.slice(0, colon);
}

/** The declared options of a channel: those of its namespace, else of the app's default namespace. */
export function declaredOptionsOf(
  apps: ReadonlyMap<string, AppConfig>,
  app: string,
  channel: string,
): NamespaceConfig | undefined {
  const namespaces = apps.get(app)?.namespaces;
  return namespaces?.get(namespaceOf(channel)) ?? namespaces?.get("");
}

/**
 * The options that hold in a channel: the declared ones, else `defaultNamespace`; the last also for
 * an app that is not configured.
 */
export function optionsOf(
  apps: ReadonlyMap<string, AppConfig>,
  app: string,
  channel: string,
): NamespaceConfig {
  return declaredOptionsOf(apps, app, channel) ?? defaultNamespace;
}
