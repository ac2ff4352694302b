import { expect, test } from "bun:test";
import fc from "fast-check";
import { Connections } from "./connections.ts";

function setUp() {
  const told: string[] = [];
  const connections = new Connections<string>({
    connected: (app, connection, user) => told.push(`+${app} ${connection} ${user}`),
    disconnected: (app, connection, user) => told.push(`-${app} ${connection} ${user}`),
  });
  return { told, connections };
}

test("a connection is told of when it comes and when it goes", () => {
  const { told, connections } = setUp();
  connections.opened("w1", "a", "c1", "ada");
  connections.opened("w1", "b", "c1", undefined);
  connections.closed("w1", "a", "c1");
  expect(told).toEqual(["+a c1 ada", "+b c1 undefined", "-a c1 ada"]);
  connections.closed("w1", "b", "c1");
  expect(connections.size).toBe(0);
});

test("one that moves is connected all the time, whether it arrives or not", () => {
  const { told, connections } = setUp();
  connections.opened("w1", "a", "c1", "ada");
  // The worker that it moves to follows it first, and gives that up in the end.
  connections.opened("w2", "a", "c1", "ada");
  connections.closed("w1", "a", "c1");
  connections.opened("w2", "a", "c1", "ada");
  connections.closed("w2", "a", "c1");
  connections.opened("w3", "a", "c1", "ada");
  connections.closed("w3", "a", "c1");
  expect(told).toEqual(["+a c1 ada"]);
  connections.closed("w2", "a", "c1");
  expect(told).toEqual(["+a c1 ada", "-a c1 ada"]);
});

test("a worker that is gone takes its connections with it, but not those of others", () => {
  const { told, connections } = setUp();
  connections.opened("w1", "a", "c1", undefined);
  connections.opened("w1", "a", "c2", undefined);
  connections.opened("w1", "a", "c2", undefined);
  connections.opened("w2", "a", "c2", undefined);
  connections.opened("w2", "a", "c3", undefined);
  told.splice(0);
  connections.forget("w1");
  expect(told).toEqual(["-a c1 undefined"]);
  connections.closed("w1", "a", "c2");
  expect(told).toHaveLength(1);
  connections.forget("w2");
  expect(told).toEqual(["-a c1 undefined", "-a c2 undefined", "-a c3 undefined"]);
  expect(connections.size).toBe(0);
});

test("what nobody holds cannot go", () => {
  const { told, connections } = setUp();
  connections.closed("w1", "a", "c1");
  connections.opened("w1", "a", "c1", undefined);
  connections.closed("w2", "a", "c1");
  connections.forget("w2");
  expect(told).toEqual(["+a c1 undefined"]);
});

test("a connection is told of as long as anybody holds it, whatever the workers say", () => {
  const step = fc.record({
    worker: fc.constantFrom("w1", "w2", "w3"),
    is: fc.constantFrom("opened", "opened", "closed", "forget"),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const { told, connections } = setUp();
      const held = new Map<string, number>();
      for (const { worker, is } of steps) {
        const before = [...held.values()].reduce((sum, count) => sum + count, 0);
        const own = held.get(worker) ?? 0;
        if (is === "opened") held.set(worker, own + 1);
        else held.set(worker, is === "closed" ? Math.max(0, own - 1) : 0);
        if (is === "forget") connections.forget(worker);
        else if (is === "opened") connections.opened(worker, "a", "c", undefined);
        else connections.closed(worker, "a", "c");
        const after = [...held.values()].reduce((sum, count) => sum + count, 0);
        const expected =
          before === 0 && after > 0
            ? ["+a c undefined"]
            : before > 0 && after === 0
              ? ["-a c undefined"]
              : [];
        expect(told.splice(0)).toEqual(expected);
      }
    }),
  );
});
