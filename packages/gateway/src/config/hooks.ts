import { ChannelPattern, MAX_PATTERNS } from "@starling/core/auth/channel-pattern.ts";
import { hookEventTypes } from "@starling/core/hooks/events.ts";
import { z } from "zod";
import { httpAddress } from "./value-types.ts";

/** Shorter ones can be found by trying. */
export const MIN_HOOK_SECRET_LENGTH = 16;
const MAX_HOOKS = 10;
const MAX_SECRETS = 5;

const url = z.string().transform((text, context): string => {
  const result = httpAddress().safeParse(text);
  if (result.success) return result.data;
  const said = result.error.issues.map(({ message }) => message).join(", ");
  context.addIssue({ code: "custom", message: `${said}; must be ${httpAddress().description}` });
  return z.NEVER;
});

const pattern = z.string().transform((text, context): ChannelPattern => {
  try {
    return new ChannelPattern(text);
  } catch (error) {
    const message = error instanceof RangeError ? error.message : "is no channel pattern";
    context.addIssue({ code: "custom", message });
    return z.NEVER;
  }
});

/** The options of a hook as a file has them, with what the reference says of them. */
export const hookOptions = {
  url: url.describe("where the events are sent, with a POST; each address once in an app"),
  events: z
    .array(z.enum(hookEventTypes))
    .min(1)
    .default([...hookEventTypes])
    .describe("which of them"),
  channels: z
    .array(pattern)
    .max(MAX_PATTERNS)
    .default([])
    .describe(
      "channels whose events are sent, with `*` for any run of characters; `connect` and " +
        "`disconnect` are of no channel and are sent in any case",
    ),
  secrets: z
    .array(z.string().min(MIN_HOOK_SECRET_LENGTH))
    .min(1)
    .max(MAX_SECRETS)
    .optional()
    .describe(`each signs; of at least ${MIN_HOOK_SECRET_LENGTH} characters`),
};

const hookSchema = z.strictObject(hookOptions);

/** A hook of a file; without secrets it has those of `HOOKS_SECRETS`. */
export type DeclaredHook = z.output<typeof hookSchema>;

export const hooksSchema = z
  .array(hookSchema)
  .max(MAX_HOOKS)
  .superRefine((hooks, context) => {
    const addresses = new Set<string>();
    for (const [index, hook] of hooks.entries()) {
      if (addresses.has(hook.url)) {
        const message = "another hook of the app has this address: one can have several events";
        context.addIssue({ code: "custom", path: [index, "url"], message });
      }
      addresses.add(hook.url);
    }
  });
