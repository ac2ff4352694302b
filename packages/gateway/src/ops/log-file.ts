import { readdirSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import { createStream, type RotatingFileStream } from "rotating-file-stream";

const DAY_MS = 86_400_000;
const KEPT_DAYS = 30;
const CURRENT = "starling.log";
const ROTATED = /^starling-(\d{4}-\d{2}-\d{2})\.\d+\.log\.gz$/;

export interface LogFileOptions {
  /** Size at which a file is rotated, such as `20M`. Default: `20M`, 20 MiB. */
  readonly size?: string;
  /** Milliseconds since the epoch, for the age of old files. Default: the system's clock. */
  readonly now?: () => number;
}

/**
 * A stream into `starling.log` of a folder. At midnight UTC and at 20 MB the file is compressed
 * to `starling-YYYY-MM-DD.N.log.gz`, and compressed files of more than 30 days ago are removed.
 */
export function openLogFile(
  folder: string,
  onError: (error: Error) => void,
  options: LogFileOptions = {},
): RotatingFileStream {
  const now = options.now ?? Date.now;
  const removeOld = () => {
    try {
      removeOldLogs(folder, now());
    } catch (error) {
      onError(error instanceof Error ? error : new Error(String(error)));
    }
  };
  const stream = createStream(rotatedName, {
    ...rotation,
    size: options.size ?? "20M",
    path: folder,
  });
  stream.on("error", onError);
  stream.on("warning", onError);
  stream.on("rotated", removeOld);
  removeOld();
  return stream;
}

/** How files are rotated; a file that is left over from an earlier day is rotated at the start. */
export const rotation = {
  interval: "1d",
  intervalUTC: true,
  // Files are named by the day that they are of, not by the moment of their rotation.
  intervalBoundary: true,
  initialRotation: true,
  compress: "gzip",
  mode: 0o640,
} as const;

/** The name of the file in use, or of one that is rotated: its day and its number on that day. */
export function rotatedName(time: number | Date | null, index?: number): string {
  if (time === null) return CURRENT;
  const day = new Date(time).toISOString().slice(0, 10);
  return `starling-${day}.${index ?? 1}.log.gz`;
}

/**
 * Removes compressed logs of days more than 30 days before `now`.
 *
 * The stream itself can only count files, and a busy day has many.
 */
export function removeOldLogs(folder: string, now: number): void {
  for (const name of readdirSync(folder)) {
    const day = ROTATED.exec(name)?.[1];
    if (day === undefined) continue;
    const daysAgo = Math.floor(now / DAY_MS) - Date.parse(day) / DAY_MS;
    if (daysAgo > KEPT_DAYS) unlinkSync(join(folder, name));
  }
}
