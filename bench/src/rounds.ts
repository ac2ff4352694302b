import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeCertificate } from "./certificate.ts";
import { LoadClient } from "./load/client.ts";
import { rotated } from "./measure/statistics.ts";
import type { Mode, ModeFacts, Sample } from "./modes/mode.ts";
import type { Server, StartContext } from "./peers/peer.ts";
import { end } from "./processes.ts";

/** What one round yielded. */
export interface Round {
  readonly samples: readonly Sample[];
}

export interface RunResult {
  readonly rounds: readonly Round[];
  /** One line for each trial that lost something or did not work. */
  readonly failures: readonly string[];
}

/** A folder for the run's files, removed by `dispose`. */
export function temporaryDirectory(): { readonly path: string; dispose(): void } {
  const path = mkdtempSync(join(tmpdir(), "starling-bench-"));
  return { path, dispose: () => rmSync(path, { recursive: true, force: true }) };
}

/**
 * Measures every peer in every round. The order of the peers turns from round to round, so that a
 * drift of the machine meets all of them.
 */
export async function runRounds<S extends Server>(
  mode: Mode<S>,
  peers: readonly S[],
  rounds: number,
  directory: string,
  say: (line: string) => void,
): Promise<RunResult> {
  const certificate = makeCertificate(directory);
  const failures: string[] = [];
  const results: Round[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const samples: Sample[] = [];
    const attempt = async (
      name: string,
      measure: (own: string) => Promise<readonly Sample[]>,
    ): Promise<void> => {
      const own = join(directory, `${round}-${name}`);
      mkdirSync(own);
      const label = `round ${round + 1}/${rounds}`;
      try {
        const measured = await measure(own);
        samples.push(...measured);
        for (const sample of measured) say(`${label} ${describe(mode, sample)}`);
      } catch (error) {
        const line = `${label} ${name}: ${error instanceof Error ? error.message : String(error)}`;
        failures.push(line);
        say(`!!! ${line}`);
      }
    };
    for (const peer of rotated(peers, round)) {
      await attempt(peer.name, (own) => trial(mode, peer, { directory: own, certificate }));
    }
    const { measureAlone } = mode;
    if (measureAlone !== undefined) await attempt("alone", measureAlone);
    results.push({ samples });
  }
  return { rounds: results, failures };
}

/** Starts a peer and a load process of its own, so that no trial inherits another one's memory. */
async function trial<S extends Server>(
  mode: Mode<S>,
  peer: S,
  context: StartContext,
): Promise<readonly Sample[]> {
  const server = await peer.start(context);
  try {
    const load = await LoadClient.start();
    try {
      return await mode.measure({ peer, server, load });
    } finally {
      await load.end();
    }
  } finally {
    for (const pid of [server.pid, ...(server.beside ?? [])]) await end(pid);
  }
}

function describe(mode: ModeFacts, sample: Sample): string {
  const shown = mode.metrics.flatMap(({ key, title, digits }) => {
    const value = sample.values[key];
    return value === undefined ? [] : [`${title} ${value.toFixed(digits)}`];
  });
  return `${sample.series}: ${shown.join(", ")}`;
}
