import type { Environment } from "../config/environment.ts";
import type { WorkerSeat } from "./worker-process.ts";

/** The variable in which a supervisor tells a worker its seat, as JSON. */
const SEAT_VARIABLE = "STARLING_WORKER";

/** What a worker's environment has beside the supervisor's own. */
export function environmentOf(seat: WorkerSeat): Record<string, string> {
  return { [SEAT_VARIABLE]: JSON.stringify(seat) };
}

/** The seat that a supervisor of this very version has written; undefined where there is none. */
export function seatOf(environment: Environment): WorkerSeat | undefined {
  const text = environment[SEAT_VARIABLE];
  return text === undefined ? undefined : (JSON.parse(text) as WorkerSeat);
}
