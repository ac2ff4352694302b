import { audiences, defaultNamespace, type NamespaceConfig } from "@starling/core/hub/namespace.ts";
import { z } from "zod";
import { DAY_MS } from "./bounds.ts";

const audience = z.enum(audiences);
/** Longer than that a change would be late rather than bundled. */
const window = z.int().min(0).max(60_000);
/** A client that has missed more than that is better served with a fresh copy. */
const MAX_HISTORY = 10_000;
const DEFAULT_TTL_SECONDS = 300;

/** The options of a namespace as a file has them, with what the reference says of them. */
export const namespaceOptions = z
  .strictObject({
    subscribe: audience
      .default(defaultNamespace.subscribe)
      .describe(
        "who may subscribe beside the owner of a channel, the user whose id is the channel's name",
      ),
    publish: audience
      .default(defaultNamespace.publish)
      .describe("which connections may publish; the publisher API always may"),
    presence: audience
      .default(defaultNamespace.presence)
      .describe("who may see the members of a channel, and be one of them"),
    presenceDebounceMs: window
      .default(defaultNamespace.presenceDebounceMs)
      .describe(
        "milliseconds for which a join or a leave is held back, so that a member that leaves and " +
          "comes back is not announced",
      ),
    conflateMs: window
      .default(defaultNamespace.conflateMs)
      .describe(
        "milliseconds of a window in which at most one state of each member is sent, the latest; " +
          "0 sends every state",
      ),
    volatile: z
      .boolean()
      .default(defaultNamespace.volatile)
      .describe("drops a message for a subscriber that is not ready to receive at that moment"),
    historySize: z
      .int()
      .min(0)
      .max(MAX_HISTORY)
      .default(0)
      .describe("publications that each channel keeps, the newest; 0 keeps none"),
    historyTtl: z
      .int()
      .min(1)
      .max(DAY_MS / 1000)
      .default(DEFAULT_TTL_SECONDS)
      .describe("seconds for which each of them is kept"),
    recover: z
      .boolean()
      .default(defaultNamespace.recover)
      .describe(
        "whether whoever may subscribe may have what is kept: what they missed while they were " +
          "away, or the last publications",
      ),
  })
  .readonly();

/** The options of a namespace, as the core has them. */
export const namespaceSchema = namespaceOptions
  .superRefine(({ volatile, historySize, recover }, context) => {
    const refuse = (option: string, message: string) =>
      context.addIssue({ code: "custom", path: [option], message });
    if (volatile && historySize > 0) {
      refuse("volatile", "messages that may be dropped have no history: leave out historySize");
    }
    if (recover && historySize === 0) {
      refuse("recover", "there is nothing to recover without historySize");
    }
  })
  .transform(({ historySize: size, historyTtl, ...options }): NamespaceConfig => {
    return size === 0 ? options : { ...options, history: { size, ttlMs: historyTtl * 1000 } };
  });
