import type { LinkReport } from "@starling/core/broker/nats/link-probe.ts";
import type { Log, LogFields } from "@starling/core/ports.ts";
import type { LogLevel } from "./config.ts";

/** What the process that started the worker tells it, one line of JSON each, after the configuration. */
export type QuicCommand =
  /** Let clients go and give the port up. */
  | { readonly type: "stop" | "leave" }
  /** Exit; it has drained. */
  | { readonly type: "end" };

/** What the worker tells, one line of JSON each. */
export type QuicMessage =
  | { readonly type: "ready" }
  | {
      readonly type: "report";
      readonly connections: number;
      readonly memoryBytes: number;
      readonly cpu: number;
      readonly nats?: LinkReport;
    }
  | { readonly type: "drained" }
  | {
      readonly type: "log";
      readonly level: "debug" | "info" | "warn" | "error";
      readonly fields: LogFields;
      readonly message: string;
    };

/** The exit code of a worker whose UDP port somebody else has; any other is a fault. */
export const PORT_TAKEN_EXIT_CODE = 69;

const SEVERITY: Readonly<Record<LogLevel, number>> = {
  trace: 0,
  debug: 1,
  info: 2,
  warn: 3,
  error: 4,
  silent: 5,
};

/** A log whose lines the other process writes, with its own. */
export function channelLog(level: LogLevel, send: (message: QuicMessage) => void): Log {
  const at = (name: "debug" | "info" | "warn" | "error") => {
    if (SEVERITY[name] < SEVERITY[level]) return () => {};
    return (fields: LogFields, message: string) =>
      send({ type: "log", level: name, fields: plain(fields), message });
  };
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}

/** Errors have nothing that JSON would see. */
function plain(fields: LogFields): LogFields {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [
      name,
      value instanceof Error ? textOf(value) : value,
    ]),
  );
}

/** With what was behind it, which alone says why a `fetch` of Deno has failed. */
function textOf({ stack, message, cause }: Error): string {
  const text = stack ?? message;
  return cause instanceof Error ? `${text}\nCaused by: ${textOf(cause)}` : text;
}

/** The lines of a stream of text; the promise settles at its end. */
export async function readLines(
  stream: ReadableStream<Uint8Array>,
  take: (line: string) => void,
): Promise<void> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of stream) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) take(line);
  }
}
