import type { Crowd } from "./crowd.ts";
import type { MoveCommand, Moved } from "./protocol.ts";
import { settled } from "./settled.ts";

/** Lets members send states by the clock, whatever has arrived of those before. */
export async function move(command: MoveCommand, crowd: Crowd): Promise<Moved> {
  const { active, rate, seconds } = command;
  const { ledger } = crowd;
  const before = ledger.counts();
  ledger.restartDelays();
  const began = performance.now();
  let sent = 0;
  let unsent = 0;
  for (let number = 0; number < active * rate * seconds; number += 1) {
    const wait = began + dueAt(command, number) - performance.now();
    if (wait > 0) await Bun.sleep(wait);
    if (crowd.sendState(senderOf(command, crowd.size, number))) sent += 1;
    else unsent += 1;
  }
  await settled(() => ledger.deliveries);
  const after = ledger.counts();
  return {
    sent,
    unsent,
    seconds: (ledger.latestAt - began) / 1000,
    deliveries: after.deliveries - before.deliveries,
    bytes: after.bytes - before.bytes,
    wrong: after.wrong - before.wrong,
    closed: after.closed - before.closed,
    outdated: ledger.outdated(),
    delay: { median: ledger.delay(0.5), p99: ledger.delay(0.99) },
  };
}

type Pace = Pick<MoveCommand, "active" | "rate" | "atOnce">;

/** Milliseconds from the start at which a state is due. */
export function dueAt({ active, rate, atOnce }: Pace, number: number): number {
  const turn = atOnce ? Math.floor(number / active) : number / active;
  return (turn * 1000) / rate;
}

/** The member whose turn it is: every second that of the next `active` ones. */
export function senderOf({ active, rate }: Pace, members: number, number: number): number {
  const second = Math.floor(number / (active * rate));
  return (second * active + (number % active)) % members;
}
