import { describe, expect, test } from "bun:test";
import { SocketFixture } from "../testing/socket-fixture.ts";
import { PACKETS_A_TURN } from "./pacer.ts";

describe("a fan-out", () => {
  test("is sent in slices, a turn apart", () => {
    const fixture = new SocketFixture();
    const all = Array.from({ length: 2.5 * PACKETS_A_TURN }, () => fixture.datagramSocket());
    for (const { socket } of all) socket.subscribe("news");
    fixture.fanout.publish("news", "hello");
    const sent = () => all.filter(({ session }) => session.datagrams.length > 0).length;
    expect(sent()).toBe(0);
    expect([fixture.turn(), sent()]).toEqual([true, PACKETS_A_TURN]);
    expect([fixture.turn(), sent()]).toEqual([true, 2 * PACKETS_A_TURN]);
    expect([fixture.turn(), sent()]).toEqual([false, all.length]);
  });

  test("keeps the order for each of them, also with what is sent to one alone", () => {
    const fixture = new SocketFixture();
    const all = Array.from({ length: 2 * PACKETS_A_TURN }, () => fixture.datagramSocket());
    for (const { socket } of all) socket.subscribe("news");
    fixture.fanout.publish("news", "1");
    fixture.turn();
    fixture.fanout.publish("news", "2");
    const [first, last] = [all[0], all.at(-1)];
    first?.socket.send("3");
    last?.socket.send("3");
    while (fixture.turn());
    expect(first?.session.datagrams).toEqual(["1", "2", "3"]);
    expect(last?.session.datagrams).toEqual(["1", "2", "3"]);
    expect(all.every(({ session }) => session.datagrams[1] === "2")).toBe(true);
  });

  test("goes to everybody but the one that it comes from, and to nobody who has left", () => {
    const fixture = new SocketFixture();
    const [ada, bob, eve] = [
      fixture.datagramSocket(),
      fixture.datagramSocket(),
      fixture.datagramSocket(),
    ];
    for (const { socket } of [ada, bob, eve]) socket.subscribe("news");
    eve.socket.unsubscribe("news");
    ada.socket.publish("news", "hello");
    fixture.turn();
    const heard = [ada, bob, eve].map(({ session }) => session.datagrams);
    expect(heard).toEqual([[], ["hello"], []]);
    for (const { socket } of [ada, bob]) socket.unsubscribe("news");
    expect(fixture.fanout.size).toBe(0);
  });
});

test("one with a lot to send does not hold up the others", () => {
  const fixture = new SocketFixture();
  const [busy, other] = [fixture.datagramSocket(), fixture.datagramSocket()];
  for (let count = 0; count < 200; count++) busy.socket.send(`${count}`);
  other.socket.send("hello");
  fixture.turn();
  expect(other.session.datagrams).toEqual(["hello"]);
  while (fixture.turn());
  expect(busy.session.datagrams).toEqual(Array.from({ length: 200 }, (_, count) => `${count}`));
});
