import type { ConnectionObserver } from "./connection.ts";
import { HttpConnection } from "./http-connection.ts";
import { PollingSession } from "./polling-session.ts";
import type { PollCommand } from "./protocol.ts";

/** A session and the connection that it was opened over, at one worker. */
interface Opened {
  readonly session: PollingSession;
  readonly connection: HttpConnection;
}

/** The kernel spreads connections by chance: with this many, half of them at one worker is certain. */
const TRIES_FOR_EACH = 4;

/**
 * Opens long-polling sessions, as many at each worker, and lets them poll at their own worker or at
 * the next one. Answers the connections.
 */
export async function openPollers(
  command: PollCommand,
  observer: ConnectionObserver,
): Promise<readonly HttpConnection[]> {
  const workers = Math.max(1, command.workers);
  const wanted = command.count / workers;
  const groups = new Map<string, Opened[]>();
  for (let tries = 0; !isFull(groups, workers, wanted); tries += command.window) {
    if (tries > command.count * TRIES_FOR_EACH) {
      throw new Error(`${groups.size} of ${workers} workers were given enough connections`);
    }
    await Promise.all(Array.from({ length: command.window }, () => open(command, groups)));
  }
  const opened = [...groups.values()].map((group) => group.slice(0, wanted));
  // Sessions left over have not joined: nothing is delivered to them, and they expire.
  for (const { connection } of [...groups.values()].flatMap((group) => group.slice(wanted))) {
    connection.close();
  }
  const joining = partnered(opened, command.place).map(async ([{ session }, { connection }]) => {
    await session.join(connection, observer);
    return connection;
  });
  return Promise.all(joining);
}

async function open(command: PollCommand, groups: Map<string, Opened[]>): Promise<void> {
  const connection = await HttpConnection.open(new URL(command.url));
  const session = await PollingSession.open(connection, command.user);
  const worker = workerOf(session.id);
  const group = groups.get(worker);
  if (group === undefined) groups.set(worker, [{ session, connection }]);
  else group.push({ session, connection });
}

function isFull(groups: ReadonlyMap<string, Opened[]>, workers: number, wanted: number): boolean {
  return groups.size === workers && [...groups.values()].every(({ length }) => length >= wanted);
}

/** The worker that has made a session names itself before the dot; the only one of a node does not. */
export function workerOf(sessionId: string): string {
  const dot = sessionId.indexOf(".");
  return dot < 0 ? "" : sessionId.slice(0, dot);
}

/** Each of a group with its own, or with its counterpart in the next group. */
export function partnered<T>(
  groups: readonly (readonly T[])[],
  place: PollCommand["place"],
): (readonly [T, T])[] {
  return groups.flatMap((group, number) => {
    const next = place === "own" ? group : groups[(number + 1) % groups.length];
    return group.flatMap((one, index): (readonly [T, T])[] => {
      const partner = next?.[index];
      return partner === undefined ? [] : [[one, partner]];
    });
  });
}
