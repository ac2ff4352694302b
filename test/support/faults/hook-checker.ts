import type { HookEvent, HookReceiver } from "../hook-receiver.ts";

/** What contradicts itself in what a receiver was told of one run of a node that has ended. */
export function checkHooks(receiver: HookReceiver): string[] {
  const { requests } = receiver;
  const story = firstTimes(receiver.taken);
  return [
    ...requests
      .filter(({ dropped }) => dropped > 0)
      .map(({ dropped }) => `${dropped} events were dropped`),
    ...gaps(story),
    ...contradictions(story),
  ];
}

/** The same of a mesh, in which several may have sent, each with ids of its own. */
export function checkMeshHooks({ taken }: HookReceiver): string[] {
  return contradictions(firstTimes(taken));
}

/** The events without repetitions, in the order in which each came first. */
function firstTimes(events: readonly HookEvent[]): HookEvent[] {
  const seen = new Set<string>();
  return events.filter(({ id }) => !seen.has(id) && seen.add(id));
}

/** Ids are counted: one that is missing was lost, one that is too small came too late. */
function gaps(story: readonly HookEvent[]): string[] {
  return story.flatMap(({ id }, index) => {
    const expected = String(index + 1);
    return id.split(".")[1] === expected ? [] : [`event ${expected} of the run is ${id}`];
  });
}

const OPPOSITES: Readonly<Record<string, string>> = {
  vacated: "occupied",
  leave: "join",
  disconnect: "connect",
};

/** Whatever comes goes before it comes again, and has gone in the end; members are where somebody is. */
function contradictions(story: readonly HookEvent[]): string[] {
  const wrong: string[] = [];
  const there = new Set<string>();
  for (const { type, channel, connection } of story) {
    const of = `${channel ?? ""} ${connection ?? ""}`;
    const coming = OPPOSITES[type];
    if (coming !== undefined) {
      if (!there.delete(`${coming} ${of}`)) wrong.push(`${type} without ${coming}: ${of}`);
      continue;
    }
    if (there.has(`${type} ${of}`)) wrong.push(`${type} twice: ${of}`);
    there.add(`${type} ${of}`);
    if (type === "join" && !there.has(`occupied ${channel} `)) {
      wrong.push(`join in a channel that is not occupied: ${of}`);
    }
  }
  return [...wrong, ...[...there].map((each) => `${each} never ended`)];
}
