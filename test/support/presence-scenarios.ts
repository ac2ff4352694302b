import { expect, test } from "bun:test";
import { eventually } from "./deadline.ts";
import type { GatewayFixture } from "./gateway-fixture.ts";
import { NOTE, type PresencePeer } from "./presence-peer.ts";
import { pack, SignallingClient } from "./signalling-client.ts";
import { ask, once } from "./stock-client.ts";

/** The public key that the gateway takes. */
export const PUBLIC_KEY = "page-key";

/** What the gateway is told, beside its certificate, so that the scenarios can take place. */
export const environment = { PUBLIC_KEYS: PUBLIC_KEY, CONNECT_RATE_PER_ADDRESS: "0" };

/** A place in which the client runs. */
export interface PresencePlace {
  /** A user of the client there, not yet connected, that ends with the test. */
  start(): Promise<PresencePeer>;
  /** Ends the place of a user without a word from the client. */
  kill(peer: PresencePeer): Promise<void>;
}

/** A channel that no other test uses, open to anyone in development. */
export function newChannel(): string {
  return `demo:${crypto.randomUUID()}`;
}

/** What has to work wherever the client runs, as tests. */
export function presenceScenarios(gateway: GatewayFixture, place: PresencePlace): void {
  async function opened(id: string): Promise<PresencePeer> {
    const peer = await place.start();
    await peer.open(gateway.process.subscriberUrl, id, PUBLIC_KEY);
    return peer;
  }

  /** Ada, who joined first, and Bob, who see each other. */
  async function pair(channel: string): Promise<[ada: PresencePeer, bob: PresencePeer]> {
    const [ada, bob] = [await opened("ada"), await opened("bob")];
    await ada.join(channel, { id: "ada" });
    await bob.join(channel, { id: "bob" });
    await Promise.all([ada.sees([{ id: "bob" }]), bob.sees([{ id: "ada" }])]);
    return [ada, bob];
  }

  /** Another implementation of the protocol, as a member. */
  async function joinedOther(channel: string, id: string): Promise<SignallingClient> {
    const query = { publickey: PUBLIC_KEY, id };
    const other = await SignallingClient.open(gateway.process, { query });
    await other.join(channel, { id });
    return other;
  }

  test("two who join see each other's state", async () => {
    const channel = newChannel();
    const [ada, bob] = [await opened("ada"), await opened("bob")];
    const states = [
      { id: "ada", name: "Ada ✓", at: { x: 1.5, y: -2 }, tags: ["a", null, true] },
      { id: "bob", name: "Bób 🐢", nested: { list: [{ deep: [1] }] } },
    ] as const;
    await ada.join(channel, states[0]);
    await ada.sees([]);
    await bob.join(channel, states[1]);
    await ada.sees([states[1]]);
    await bob.sees([states[0]]);
  });

  test("a third one learns of both, and both of the third", async () => {
    const channel = newChannel();
    const [ada, bob] = await pair(channel);
    const carol = await opened("carol");
    await carol.join(channel, { id: "carol" });
    await ada.sees([{ id: "bob" }, { id: "carol" }]);
    await bob.sees([{ id: "ada" }, { id: "carol" }]);
    await carol.sees([{ id: "ada" }, { id: "bob" }]);
  });

  test("events go both ways with their data, and none comes back to its sender", async () => {
    const [ada, bob] = await pair(newChannel());
    const values = [
      { text: "€ 🐢 \u2028", list: [1.5, null, { a: true }] },
      "text",
      0,
      false,
      null,
    ];
    for (const value of values) await ada.broadcast(NOTE, value);
    await bob.hears(values.map((value) => [NOTE, value, "ada"]));
    await bob.broadcast(NOTE, { answer: 42 });
    await ada.hears([[NOTE, { answer: 42 }, "bob"]]);
  });

  test("an event without data arrives with null, also at Socket.IO", async () => {
    const channel = newChannel();
    const [ada, bob] = await pair(channel);
    const socket = await gateway.clients.connected();
    await ask(socket, "subscribe", { channel });
    const event = once(socket, NOTE);
    await ada.broadcast(NOTE);
    await bob.hears([[NOTE, null, "ada"]]);
    expect(await event).toEqual([null]);
  });

  test("the events of one sender arrive in order", async () => {
    const [ada, bob] = await pair(newChannel());
    const numbers = Array.from({ length: 40 }, (_, number) => number);
    for (const number of numbers) await ada.broadcast(NOTE, number);
    await bob.hears(numbers.map((number) => [NOTE, number, "ada"]));
  });

  test("who is in another channel hears nothing", async () => {
    const [ada, bob] = await pair(newChannel());
    const outside = await opened("eve");
    await outside.join(newChannel(), { id: "eve" });
    await ada.broadcast(NOTE, 1);
    await bob.hears([[NOTE, 1, "ada"]]);
    await outside.hears([]);
    await outside.sees([]);
  });

  test("a state that changes takes the place of the one before", async () => {
    const channel = newChannel();
    const [ada, bob] = await pair(channel);
    using other = await joinedOther(channel, "eve");
    const say = (state: object) =>
      other.send({ t: "control", op: "peer_state", c: channel, pl: pack(state) });
    say({ id: "eve", x: 1, y: 2 });
    await ada.sees([{ id: "bob" }, { id: "eve", x: 1, y: 2 }]);
    say({ id: "eve", x: 3 });
    await ada.sees([{ id: "bob" }, { id: "eve", x: 3 }]);
    await bob.sees([{ id: "ada" }, { id: "eve", x: 3 }]);
  });

  test("a peer with a new name is shown, heard and gone under it", async () => {
    const channel = newChannel();
    const [ada] = await pair(channel);
    using other = await joinedOther(channel, "eve");
    const pl = pack({ id: "zoe", age: 36 });
    other.send({ t: "control", op: "peer_state", c: channel, p: "zoe", pl });
    await ada.sees([{ id: "bob" }, { id: "zoe", age: 36 }]);
    other.send({ t: "data", c: channel, pl: pack({ event: NOTE, data: "1" }) });
    await ada.hears([[NOTE, 1, "zoe"]]);
    other.close();
    await ada.sees([{ id: "bob" }]);
  });

  test("a state with another id than its client's is shown under that id", async () => {
    const channel = newChannel();
    const [ada, bob] = [await opened("ada"), await opened("bob")];
    await ada.join(channel, { id: "ada" });
    await bob.join(channel, { id: "Robert", role: "guest" });
    await ada.sees([{ id: "bob" }, { id: "Robert", role: "guest" }]);
  });

  test("who leaves is gone for the others, hears nothing more, and may come back", async () => {
    const channel = newChannel();
    const [ada, bob] = await pair(channel);
    await bob.leave();
    await ada.sees([]);
    const back = await opened("bob");
    await back.join(channel, { id: "bob", back: true });
    await ada.sees([{ id: "bob", back: true }]);
    await ada.broadcast(NOTE, "again");
    await back.hears([[NOTE, "again", "ada"]]);
    await bob.hears([]);
  });

  test("who is killed is gone for the others", async () => {
    const [ada, bob] = await pair(newChannel());
    await place.kill(bob);
    await ada.sees([]);
  });

  test("a backend's publication arrives, under the name of its publisher", async () => {
    const channel = newChannel();
    const [ada, bob] = await pair(channel);
    const data = { order: 4711, items: ["A-1"] };
    const body = { channel, event: NOTE, data, publisher: "shop" };
    expect(await gateway.post("/api/publish", body)).toBe('{"ok":true,"subscribers":2}');
    for (const peer of [ada, bob]) await peer.hears([[NOTE, data, "shop"]]);
  });

  test("Socket.IO and the client hear each other", async () => {
    const channel = newChannel();
    const [ada, bob] = await pair(channel);
    const socket = await gateway.clients.connected();
    await ask(socket, "subscribe", { channel });
    const event = once(socket, NOTE);
    await ada.broadcast(NOTE, { from: "the client" });
    expect(await event).toEqual([{ from: "the client" }]);
    const publication = { channel, event: NOTE, data: { from: "Socket.IO" } };
    expect(await ask(socket, "publish", publication)).toEqual({ ok: true, subscribers: 3 });
    await ada.hears([[NOTE, { from: "Socket.IO" }, socket.id ?? ""]]);
    await bob.hears([
      [NOTE, { from: "the client" }, "ada"],
      [NOTE, { from: "Socket.IO" }, socket.id ?? ""],
    ]);
  });

  test("a wrong public key is refused", async () => {
    const before = (await gateway.stats()).refusedHandshakes;
    const peer = await place.start();
    let isOpen = false;
    const opening = peer.open(gateway.process.subscriberUrl, "ada", "another-key").then(() => {
      isOpen = true;
    });
    opening.catch(() => {});
    await eventually("a refusal", async () => {
      const { refusedHandshakes } = await gateway.stats();
      return refusedHandshakes > before ? refusedHandshakes : undefined;
    });
    expect(isOpen).toBe(false);
  });
}
