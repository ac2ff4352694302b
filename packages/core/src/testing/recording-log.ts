import type { Log, LogFields } from "../ports.ts";

/** Keeps log lines for a test to look at. */
export class RecordingLog implements Log {
  readonly lines: {
    readonly level: string;
    readonly fields: LogFields;
    readonly message: string;
  }[] = [];

  debug(fields: LogFields, message: string): void {
    this.lines.push({ level: "debug", fields, message });
  }

  info(fields: LogFields, message: string): void {
    this.lines.push({ level: "info", fields, message });
  }

  warn(fields: LogFields, message: string): void {
    this.lines.push({ level: "warn", fields, message });
  }

  error(fields: LogFields, message: string): void {
    this.lines.push({ level: "error", fields, message });
  }
}
