import { hookMetricHelp } from "../ops/hook-metrics.ts";
import { hookOptions } from "./hooks.ts";
import { paragraph, table } from "./markdown.ts";

const allowed: Readonly<
  Record<keyof typeof hookOptions, readonly [allowed: string, otherwise: string]>
> = {
  url: ["an address that begins with https:// or http://", "needed"],
  events: ["a list of event types", "all of them"],
  channels: ["a list of at most 100 patterns", "every channel"],
  secrets: ["a list of 1 to 5 texts", "those of `HOOKS_SECRETS`"],
};

/** The sections of the reference on hooks. */
export function hookSections(): string[] {
  const options = Object.entries(hookOptions).map(([name, schema]) => [
    `\`${name}\``,
    ...allowed[name as keyof typeof hookOptions],
    schema.description ?? "",
  ]);
  const metrics = Object.entries(hookMetricHelp).map(([name, help]) => [`\`${name}\``, help]);
  return [
    "## Hooks of an app",
    paragraph(
      "In the file of `CONFIG_FILE`, `hooks` is a list of at most 10 for each app, at the top level those " +
        "of the app `default`. [The guide](../guide/hooks.md) says what they send. Event types: " +
        "`occupied`, `vacated`, `join`, `leave`, `connect`, `disconnect`. `starling restart` takes " +
        "changes over.",
    ),
    [
      "```yaml",
      "hooks:",
      "  - url: https://backend.example/starling",
      "    events: [occupied, vacated]",
      '    channels: ["chat:*"]',
      "    secrets: [a-new-secret-of-this-hook, the-old-secret-of-this-hook]",
      "```",
    ].join("\n"),
    table(["Option", "Allowed", "Default", "Meaning"], options),
    paragraph("`GET /metrics` has these, with the labels `app` and `hook`, its place in the list:"),
    table(["Metric", "Meaning"], metrics),
  ];
}
