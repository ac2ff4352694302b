import {
  type AppConfig,
  declaredOptionsOf,
  defaultNamespace,
  namespaceOf,
} from "../hub/namespace.ts";
import { type ChannelAction, type Identity, isAuthenticated } from "./identity.ts";

/** How a client speaks to the gateway. */
export type ClientProtocol = "socket.io" | "signalling" | "sse";

/**
 * Whether a connection may do something in a channel: the one place where that is decided.
 *
 * In this order: nobody may do anything in an app that is not configured; the owner of a channel
 * may subscribe to it; a client of the signalling protocol may do everything in a channel for which
 * its app declares no namespace, where `signalling` is `open`; else the namespace decides. Each
 * rule only adds to what the ones after it allow: a token widens what its bearer may do, and never
 * narrows it, since the bearer could as well have come without it.
 */
export function may(
  identity: Identity,
  action: ChannelAction,
  channel: string,
  apps: ReadonlyMap<string, AppConfig>,
  protocol: ClientProtocol,
): boolean {
  const app = apps.get(identity.app);
  if (app === undefined) return false;
  if (action === "subscribe" && owns(identity, channel)) return true;
  const options = declaredOptionsOf(apps, identity.app, channel);
  if (options === undefined && protocol === "signalling" && app.signalling === "open") return true;
  switch ((options ?? defaultNamespace)[action] ?? defaultNamespace[action]) {
    case "anyone":
      return true;
    case "authenticated":
      return isAuthenticated(identity) || isGranted(identity, action, channel);
    case "token":
      return isGranted(identity, action, channel);
    case "nobody":
      return false;
  }
}

/**
 * Everyone owns the channel that is named like them. The id that the user of a rotating token
 * claims has matched the operator's pattern; one that an issuer or a webhook gives may be a name
 * that a user chose, and must not open a channel of a namespace.
 */
function owns({ user, source }: Identity, channel: string): boolean {
  if (user !== channel) return false;
  return (source !== "jwt" && source !== "webhook") || namespaceOf(channel) === "";
}

function isGranted({ permissions }: Identity, action: ChannelAction, channel: string): boolean {
  return permissions?.[action].some((pattern) => pattern.matches(channel)) ?? false;
}
