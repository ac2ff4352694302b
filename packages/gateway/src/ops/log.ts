import { mkdirSync } from "node:fs";
import type { Log, LogFields } from "@starling/core/ports.ts";
import pino from "pino";
import type { LogLevel } from "../config/config.ts";
import { type LogFileOptions, openLogFile } from "./log-file.ts";

/** A log that something must close, so that its last lines are written. */
export interface ClosableLog extends Log {
  /** Writes a complete line of another process, with its newline, as it is. */
  line(text: string): void;
  /** Writes what is buffered and closes the file; later lines are dropped. */
  close(): Promise<void>;
  /**
   * Resolves when the lines so far have been written, or cannot be; for standard output alone. Takes
   * as long as its reader does.
   */
  written(): Promise<void>;
}

export interface LogOptions {
  readonly level: LogLevel;
  /** Folder of rotating files; undefined writes to `fd`. */
  readonly logsDir: string | undefined;
  /** Fields of every line. */
  readonly fields?: LogFields;
  /** File descriptor of the JSON lines, closed with the log; default 1, which stays open. */
  readonly fd?: number;
  /** Told of a log file that cannot be written; default: a line on standard error. */
  readonly onError?: (error: Error) => void;
  /** Other sizes and another clock than those in use, for tests. */
  readonly file?: LogFileOptions;
}

/** What waits for a reader of the log that has stalled, before lines are dropped. */
const MAX_BUFFERED_BYTES = 8_388_608;

/** Names of fields whose values never reach the log, at the top and one or two levels down. */
const SECRET_FIELDS = [
  "apiKey",
  "apiKeys",
  "auth",
  "authorization",
  "cookie",
  "key",
  "password",
  "secret",
  "token",
];

/**
 * The log of the process: JSON lines with `level`, `time` (ISO 8601, UTC) and `msg`, to standard
 * output or to rotating files. Fields named like secrets are masked; `error` and `err` fields
 * are written with type, message and stack.
 */
export function createLog(options: LogOptions): ClosableLog {
  const sink =
    options.logsDir === undefined ? descriptorSink(options) : fileSink(options.logsDir, options);
  const logger = pino(
    {
      level: options.level,
      base: options.fields ?? null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: pino.stdSerializers.err, error: pino.stdSerializers.err },
      redact: {
        paths: SECRET_FIELDS.flatMap((field) => [field, `*.${field}`, `*.*.${field}`]),
        censor: "***",
      },
    },
    sink.stream,
  );
  return {
    debug: (fields, message) => logger.debug(fields, message),
    info: (fields, message) => logger.info(fields, message),
    warn: (fields, message) => logger.warn(fields, message),
    error: (fields, message) => logger.error(fields, message),
    line: (text) => sink.stream.write(text),
    close: sink.close,
    written: sink.written,
  };
}

/** How long the last lines may take to leave. */
const CLOSE_MS = 2_000;

interface Sink {
  readonly stream: pino.DestinationStream;
  close(): Promise<void>;
  written(): Promise<void>;
}

function descriptorSink(options: LogOptions): Sink {
  const onError = options.onError ?? reportOnStandardError;
  const stream = pino.destination({
    dest: options.fd ?? 1,
    sync: false,
    maxLength: MAX_BUFFERED_BYTES,
  });
  let closed = false;
  let isWriting = false;
  stream.on("drain", () => {
    isWriting = false;
  });
  stream.on("error", (error: NodeJS.ErrnoException) => {
    // A reader that has gone away must neither end the process nor keep it from ending.
    if (error.code === "EPIPE") closed = true;
    onError(error);
  });
  return {
    stream: {
      write(line: string) {
        if (closed) return;
        isWriting = true;
        stream.write(line);
      },
    },
    // The stream's own synchronous flush would put later lines before those under way.
    written: () =>
      new Promise((resolve) => {
        if (closed || !isWriting) return resolve();
        for (const event of ["drain", "error", "close"]) stream.once(event, () => resolve());
      }),
    close: () =>
      new Promise((resolve) => {
        if (closed) return resolve();
        closed = true;
        stream.once("close", resolve);
        stream.once("error", () => resolve());
        // A reader that has stalled must not keep the process from ending.
        setTimeout(resolve, CLOSE_MS);
        stream.end();
      }),
  };
}

/** Where the file fails, as on a full disk, lines go to standard output from then on. */
function fileSink(folder: string, options: LogOptions): Sink {
  const onError = options.onError ?? reportOnStandardError;
  let fallback: Sink | undefined;
  let closed = false;
  mkdirSync(folder, { recursive: true, mode: 0o750 });
  const file = openLogFile(
    folder,
    (error) => {
      onError(error);
      if (file.destroyed) fallback ??= descriptorSink(options);
    },
    options.file,
  );
  return {
    stream: {
      write(line: string) {
        if (fallback !== undefined) fallback.stream.write(line);
        else if (!closed && file.writableLength < MAX_BUFFERED_BYTES) file.write(line);
      },
    },
    close: () =>
      fallback?.close() ??
      new Promise((resolve) => {
        closed = true;
        if (file.destroyed) return resolve();
        file.once("close", resolve);
        file.end();
      }),
    written: async () => fallback?.written(),
  };
}

function reportOnStandardError(error: Error): void {
  process.stderr.write(`starling: the log cannot be written: ${error.message}\n`);
}
