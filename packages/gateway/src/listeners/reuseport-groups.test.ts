import { expect, test } from "bun:test";
import { ownGroups, parseListeners, refreshed, sameMembers } from "./reuseport-groups.ts";

const TABLE = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000003 00:00000000 00000000     0        0 4711 1 0000000000000000 100 0 0 10 0
   1: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4712 1 0000000000000000 100 0 0 10 0
   2: 0100007F:9C40 0100007F:1F90 01 00000000:00000005 00:00000000 00000000     0        0 4713 1 0000000000000000 20 4 30 10 -1
`;

test("the listeners are read from the kernel's table, and nothing after them", () => {
  expect(parseListeners(TABLE)).toEqual({
    listeners: [
      { local: "0100007F:1F90", inode: 4711, acceptQueue: 3 },
      { local: "00000000:0016", inode: 4712, acceptQueue: 0 },
    ],
    complete: true,
  });
});

test("a table that is cut in a line goes on", () => {
  const cut = TABLE.slice(0, TABLE.indexOf("4712"));
  const { listeners, complete } = parseListeners(cut);
  expect(listeners.map((listener) => listener.inode)).toEqual([4711]);
  expect(complete).toBe(false);
});

for (const hostname of ["127.0.0.1", "::"]) {
  test(`a group on ${hostname} consists of the listeners that share its address and port`, async () => {
    const listen = (port: number, address = hostname) =>
      Bun.serve({ hostname: address, port, reusePort: true, fetch: () => new Response() });
    const first = listen(0);
    const port = first.port ?? 0;
    const [second, elsewhere, otherPort] = [listen(port), listen(port, "127.0.0.2"), listen(0)];
    const groups = () => ownGroups(new Set([port]));
    const group = groups().find((each) => each.own.length === 2);
    if (group === undefined) throw new Error("the group was not found");
    expect(group.listeners.length).toBe(2);
    expect(sameMembers(refreshed(group), group)).toBe(true);
    await second.stop(true);
    const smaller = refreshed(group);
    expect(sameMembers(smaller, group)).toBe(false);
    expect([smaller.listeners.length, smaller.own.length]).toEqual([1, 1]);
    await Promise.all([first, elsewhere, otherPort].map((server) => server.stop(true)));
    expect(groups()).toEqual([]);
  });
}
