import { parseArgs } from "node:util";

export const HELP = `Usage: npm run chaos -- [--minutes N] [--seed S] [--only TEXT]

Runs the fault scenarios of test/cluster again and again, one at a time, each run with another seed,
and checks what every client got. A scenario is any test there whose seeds come from FAULT_SEED. With
FAULT_LONG, which is set, servers stay away for half a minute that otherwise do for seconds.

Options:
  --minutes N  how long new runs begin; the last one is waited for (default: 10)
  --seed S     a whole number that determines the order of the runs and their seeds
               (default: another one each time, which is printed)
  --only TEXT  only scenarios whose name in the table contains it, "nats-" say (default: all)
  --help       shows this

Of each failed run the command that repeats it is printed at once, and its log is kept. At the end,
and on Ctrl+C, comes a table.

Exit codes:
  0    no run failed
  1    at least one failed, or there was none to begin
  64   the command line is wrong
  130  Ctrl+C, and no run had failed

Example:
  npm run chaos -- --minutes 60 --seed 7
`;

export interface Options {
  readonly minutes: number;
  readonly seed: number;
  /** What the names of the scenarios contain; empty for all. */
  readonly only: string;
}

const DEFAULT_MINUTES = 10;
const MAX_SEED = 0xffff_ffff;

/** Reads the command line: the options, `help`, or throws with what is wrong. */
export function parseOptions(args: readonly string[], usualSeed: number): Options | "help" {
  const { values } = parseArgs({
    args: [...args],
    options: {
      minutes: { type: "string" },
      seed: { type: "string" },
      only: { type: "string" },
      help: { type: "boolean", short: "h" },
    },
  });
  if (values.help === true) return "help";
  const minutes = values.minutes === undefined ? DEFAULT_MINUTES : number(values.minutes);
  if (!(minutes > 0 && Number.isFinite(minutes))) {
    throw new Error("--minutes: a number above 0 is wanted");
  }
  const seed = values.seed === undefined ? usualSeed : number(values.seed);
  if (!(Number.isInteger(seed) && seed >= 0 && seed <= MAX_SEED)) {
    throw new Error(`--seed: a whole number from 0 to ${MAX_SEED} is wanted`);
  }
  return { minutes, seed, only: values.only ?? "" };
}

/** Decimal digits alone: `Number` would also take an empty text and hexadecimal digits. */
function number(text: string): number {
  return /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
}
