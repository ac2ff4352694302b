import type { History, Membership } from "./history.ts";
import type { Violation } from "./violation.ts";

/**
 * Finds what members have wrong of one another at the end, when nothing has happened for a while: everybody who is in a
 * channel shows everybody else who is, once, with what each said last.
 */
export function checkViews({ memberships }: Pick<History, "memberships">): Violation[] {
  const there = memberships.filter(({ from, until }) => from !== undefined && until === undefined);
  const byChannel = Map.groupBy(there, ({ channel }) => channel);
  return [...byChannel.values()].flatMap((present) => {
    const truth = new Map(present.map((each) => [each.member, each]));
    return present.flatMap((observer) => differences(observer, truth));
  });
}

function differences(observer: Membership, truth: ReadonlyMap<string, Membership>): Violation[] {
  const { member: name, channel } = observer;
  const view = viewOf(observer);
  const violations: Violation[] = [];
  const found = (kind: Violation["kind"], text: string) =>
    violations.push({ kind, text: `${name} in ${channel} ${text}` });
  for (const member of view.keys()) {
    if (!truth.has(member)) found("ghost", `shows ${member} at the end, who is not there`);
  }
  for (const [member, { state }] of truth) {
    if (member === name) continue;
    if (!view.has(member)) found("missing member", `does not show ${member} at the end`);
    else if (state !== undefined && view.get(member) !== state) {
      found(
        "wrong state",
        `shows ${member} with ${view.get(member)} at the end, not with ${state}`,
      );
    }
  }
  return violations;
}

/** Whom a member shows, each with the number of its state. */
function viewOf({ member: name, sights }: Membership): ReadonlyMap<string, number | undefined> {
  const view = new Map<string, number | undefined>();
  for (const { what, member, state } of sights) {
    // What is said of its own name is of a connection that it has left.
    if (member === name) continue;
    if (what === "offline") view.delete(member);
    else view.set(member, state ?? view.get(member));
  }
  return view;
}
