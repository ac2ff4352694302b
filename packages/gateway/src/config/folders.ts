import { lstatSync, mkdtempSync, rmdirSync, statSync } from "node:fs";
import { dirname, join } from "node:path";

/**
 * Why files cannot be put into a folder that is made where it does not exist; undefined where they
 * can. Leaves nothing behind.
 *
 * @param path an absolute path
 */
export function folderProblem(path: string): string | undefined {
  const place = nearestExisting(path);
  try {
    if (!statSync(place).isDirectory()) {
      return place === path ? "is no folder" : `cannot be made, since ${place} is no folder`;
    }
    // Permissions alone do not tell of a file system that is read-only, or none for files.
    rmdirSync(mkdtempSync(join(place, ".starling-")));
    return undefined;
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : error;
    const verb = place === path ? "be written to" : `be made in ${place}`;
    return `cannot ${verb} (${String(code)})`;
  }
}

/** The path itself, or the nearest thing above it that exists, also as a link that leads nowhere. */
function nearestExisting(path: string): string {
  const above = dirname(path);
  return above === path || exists(path) ? path : nearestExisting(above);
}

function exists(path: string): boolean {
  try {
    lstatSync(path);
    return true;
  } catch (error) {
    // What may not be looked at is there.
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    return code !== "ENOENT" && code !== "ENOTDIR";
  }
}
