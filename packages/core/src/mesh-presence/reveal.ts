import type { PresenceEvent } from "../broker/broker.ts";
import { areEqual } from "../hub/equal-bytes.ts";
import type { News } from "./own-channel.ts";
import type { Change, Entry } from "./roster.ts";

/** What those who watch have been told of a member. */
interface Shown {
  readonly clientId: string;
  readonly state: Uint8Array | undefined;
  readonly isOnline: boolean;
}

/**
 * The events that tell what became of the members of another node: those that its owner tells, and, where
 * something was lost, what makes up for it.
 *
 * @param news what was not heard of before
 * @param current the entry of a connection that has not changed
 */
export function* reveal(
  news: readonly News[],
  changes: ReadonlyMap<string, Change>,
  current: (connection: string) => Entry | undefined,
): Iterable<PresenceEvent> {
  const shown = new Map<string, Shown | undefined>();
  for (const each of news) {
    const { connection } = each;
    const change = changes.get(connection);
    const before = change === undefined ? current(connection) : change.before;
    const after = change === undefined ? before : change.after;
    // Either it came late, and something newer is known, or who came is gone already.
    if (before === undefined ? after === undefined : before.dot > each.dot) continue;
    const known = shown.has(connection) ? shown.get(connection) : before && shownOf(before);
    if (known === undefined && after === undefined) continue;
    const [now, events] = step(each, known, after);
    shown.set(connection, now);
    yield* events;
  }
  for (const [connection, { before, after }] of changes) {
    const known = shown.has(connection) ? shown.get(connection) : before && shownOf(before);
    yield* correct(connection, known, after);
  }
}

/** What is shown after one event, and the events that show it. */
function step(
  news: News,
  known: Shown | undefined,
  after: Entry | undefined,
): [Shown | undefined, PresenceEvent[]] {
  const { connection } = news;
  if (news.type === "leave") {
    return [undefined, known === undefined ? [] : [{ type: "leave", connection }]];
  }
  if (news.type === "join" || known === undefined) {
    if (after === undefined) return [known, []];
    const { member } = after;
    const joined = { clientId: member.clientId, state: member.state, isOnline: false };
    const join: PresenceEvent = { type: "join", member };
    if (news.type === "join") return [joined, [join]];
    // Its join was lost.
    const [now, events] = step(news, joined, after);
    return [now, [join, ...events]];
  }
  switch (news.type) {
    case "online": {
      const { payload } = news;
      const online = { type: news.type, connection };
      const event = payload === undefined ? online : { ...online, payload };
      return [{ ...known, isOnline: true }, [event]];
    }
    case "state": {
      const { type, clientId, state } = news;
      return [{ ...known, clientId, state }, [{ type, connection, clientId, state }]];
    }
    case "rename": {
      const { type, clientId } = news;
      return [{ ...known, clientId }, [{ type, connection, clientId }]];
    }
  }
}

/** Makes what is shown what it is. */
function* correct(
  connection: string,
  known: Shown | undefined,
  after: Entry | undefined,
): Iterable<PresenceEvent> {
  if (after === undefined) {
    if (known !== undefined) yield { type: "leave", connection };
    return;
  }
  const { member, isOnline } = after;
  const { clientId, state } = member;
  const isAnew = known === undefined || (state === undefined && known.state !== undefined);
  if (isAnew) yield { type: "join", member };
  if (isOnline && (isAnew || !known.isOnline)) yield { type: "online", connection };
  if (state !== undefined && (isAnew || !areEqual(state, known.state))) {
    yield { type: "state", connection, clientId, state };
  } else if (!isAnew && clientId !== known.clientId) {
    yield { type: "rename", connection, clientId };
  }
}

function shownOf({ member, isOnline }: Entry): Shown {
  return { clientId: member.clientId, state: member.state, isOnline };
}
