/** Version 1 of the signalling protocol (docs/protocol/signalling.md, section 5). */

import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { within } from "../support/deadline.ts";
import { GatewayFixture } from "../support/gateway-fixture.ts";
import { RawWebSocket } from "../support/raw-websocket.ts";
import { eventPayload, pack, signallingUrl } from "../support/signalling-client.ts";
import { channelName, member, open, presence, unlimited } from "../support/signalling-room.ts";

setDefaultTimeout(60_000);

const MESH = "eu-1";

describe("version 1", () => {
  const gateway = new GatewayFixture(() => ({ ...unlimited, MESH_ID: MESH }));
  const mesh = MESH;

  test("the newcomer alone is answered, and the dance tells everybody of everybody", async () => {
    const c = channelName();
    const [pa, pb, pn] = [pack({ id: "ada" }), pack({ id: "bob", x: 1.5 }), pack({ id: "new" })];
    using ada = await member(gateway, "ada", c, 1, { id: "ada" });
    using bob = await member(gateway, "bob", c, 2, { id: "bob", x: 1.5 });
    using newcomer = await open(gateway, "new");
    newcomer.send({ t: "control", op: "channel_join", c, pl: pn });
    expect(await newcomer.next()).toEqual({ t: "control", op: "channel_join", c, p: "", mesh });
    newcomer.send({ t: "control", op: "peer_online", c });
    newcomer.send({ t: "control", op: "peer_state", c, pl: pn });
    for (const [peer, pl] of [
      [ada, pa],
      [bob, pb],
    ] as const) {
      expect(await peer.next()).toEqual({ t: "control", op: "peer_online", c, p: "new", mesh });
      expect(await peer.next()).toEqual({
        ...{ t: "control", op: "peer_state", c, p: "new", pl: pn, mesh },
      });
      peer.send({ t: "control", op: "peer_state", c, pl });
    }
    const heard = [await newcomer.next(), await newcomer.next()];
    expect(heard.sort((a, b) => ((a.p ?? "") < (b.p ?? "") ? -1 : 1))).toEqual([
      { t: "control", op: "peer_state", c, p: "ada", pl: pa, mesh },
      { t: "control", op: "peer_state", c, p: "bob", pl: pb, mesh },
    ]);
    const { members, stats } = await presence(gateway, c);
    expect(stats).toEqual({ ok: true, members: 3, users: expect.any(Number) });
    expect(members).toMatchObject([
      { clientId: "ada", state: { id: "ada" } },
      { clientId: "bob", state: { id: "bob", x: 1.5 } },
      { clientId: "new", state: { id: "new" } },
    ]);
  });

  test("every message from the server is the canonical form, byte for byte", async () => {
    const c = channelName();
    using ada = await open(gateway, "ada");
    ada.send({ t: "control", op: "channel_join", c });
    const joined = pack({ t: "control", op: "channel_join", c, p: "", mesh });
    expect((await ada.nextBytes()).toString("hex")).toBe(joined.toString("hex"));
    using bob = await member(gateway, "bob", c);
    const pl = pack({ id: "bob", large: "x".repeat(300) });
    bob.send({ t: "control", op: "peer_online", c, pl });
    bob.send({ t: "control", op: "peer_state", c, pl });
    bob.send({ t: "control", op: "peer_offline", c });
    for (const content of [
      { t: "control", op: "peer_online", c, p: "bob", pl, mesh },
      { t: "control", op: "peer_state", c, p: "bob", pl, mesh },
      { t: "control", op: "peer_offline", c, p: "bob", mesh },
    ]) {
      expect((await ada.nextBytes()).toString("hex")).toBe(pack(content).toString("hex"));
    }
  });

  test("a state with a name renames its sender everywhere, from that message on", async () => {
    const [c, d] = [channelName(), channelName()];
    using ada = await member(gateway, "ada", c);
    await ada.join(d);
    using bob = await member(gateway, "bob", c);
    await bob.join(d);
    const pl = pack({ id: "countess" });
    ada.send({ t: "control", op: "peer_online", c, p: "ignored" });
    ada.send({ t: "control", op: "peer_state", c, p: "countess", pl });
    ada.send({ t: "control", op: "peer_state", c, p: "", pl });
    ada.send({ t: "data", c: d, p: "ignored", mesh: "forged", pl });
    ada.send({ t: "control", op: "peer_offline", c: d });
    const names = [];
    for (let index = 0; index < 5; index++) {
      const { op, p, mesh: node } = await bob.next();
      names.push([op, p, node]);
    }
    expect(names).toEqual([
      ["peer_online", "ada", mesh],
      ["peer_state", "countess", mesh],
      ["peer_state", "countess", mesh],
      [undefined, "countess", mesh],
      ["peer_offline", "countess", mesh],
    ]);
    expect((await presence(gateway, c)).members).toMatchObject([
      { clientId: "countess" },
      { clientId: "bob" },
    ]);
  });

  test("a state and data without a payload come with an empty map, and no state is an echo", async () => {
    const c = channelName();
    using ada = await member(gateway, "ada", c);
    using bob = await member(gateway, "bob", c);
    ada.send({ t: "control", op: "peer_state", c });
    ada.send({ t: "data", c });
    const pl = pack({});
    expect(await bob.next()).toEqual({ t: "control", op: "peer_state", c, p: "ada", pl, mesh });
    expect(await bob.next()).toEqual({ t: "data", c, p: "ada", pl, mesh });
    bob.send({ t: "data", c, pl: eventPayload("mark", "1") });
    expect(await ada.next()).toMatchObject({ t: "data", p: "bob" });
  });

  test("leaving ends membership: nothing more comes, and nothing more is taken", async () => {
    const c = channelName();
    using ada = await member(gateway, "ada", c);
    using bob = await member(gateway, "bob", c);
    ada.send({ t: "control", op: "peer_offline", c });
    ada.send({ t: "control", op: "peer_offline", c });
    ada.send({ t: "control", op: "peer_online", c });
    ada.send({ t: "control", op: "peer_state", c, p: "x", pl: pack({}) });
    ada.send({ t: "data", c, pl: eventPayload("lost", "1") });
    expect(await bob.next()).toEqual({ t: "control", op: "peer_offline", c, p: "ada", mesh });
    bob.send({ t: "data", c, pl: eventPayload("mark", "1") });
    await ada.join(c);
    expect(ada.unread()).toEqual([]);
    ada.send({ t: "control", op: "peer_online", c });
    expect(await bob.next()).toEqual({ t: "control", op: "peer_online", c, p: "ada", mesh });
    const { members, stats } = await presence(gateway, c);
    expect(members.length).toBe(2);
    expect(stats.members).toBe(2);
  });

  test("text is closed with 1003, and its channel is told", async () => {
    const c = channelName();
    using bob = await member(gateway, "bob", c);
    using ada = await member(gateway, "ada", c);
    ada.sendText("hello");
    expect((await within(ada.ended, "close frame")).code).toBe(1003);
    expect(await bob.next()).toEqual({ t: "control", op: "peer_offline", c, p: "ada", mesh });
  });

  test("each wrong message is dropped and counted, and the connection lives", async () => {
    const c = channelName();
    using ada = await member(gateway, "ada", c);
    using bob = await member(gateway, "bob", c);
    const { droppedSignals } = await gateway.stats();
    const wrong = [
      new Uint8Array(),
      Uint8Array.of(0xc1),
      Uint8Array.of(0x93, 1, 2, 3),
      Buffer.from("hello"),
      Buffer.concat([pack({ t: "data", c, pl: pack({}) }), Uint8Array.of(0)]),
      pack({ t: "data", c, pl: pack({}) }).subarray(0, -1),
      pack({}),
      pack({ t: "nonsense", c }),
      pack({ t: "control", c }),
      pack({ t: "control", op: "nonsense", c }),
      pack({ t: "control", op: "ack", c, id: 1 }),
      pack({ t: "control", op: "subscribe", c }),
      pack({ t: "control", op: "ping" }),
      pack({ t: "data", pl: pack({}) }),
      pack({ t: "data", c: "", pl: pack({}) }),
      pack({ t: "data", c: 1, pl: pack({}) }),
      pack({ t: "data", c, pl: 1 }),
      pack({ t: "data", c: "c".repeat(256), pl: pack({}) }),
      pack({ t: "data", c: "elsewhere", pl: pack({}) }),
      pack({ t: "control", op: "channel_join", c: "a\nb" }),
      pack({ t: "control", op: "channel_join", c, pl: Buffer.from([1]) }),
      pack({ t: "control", op: "peer_state", c, pl: Buffer.from([0x80, 0]) }),
    ];
    for (const bytes of wrong) ada.sendBytes(bytes);
    ada.send({ t: "data", c, pl: eventPayload("mark", "1") });
    expect(await bob.next()).toMatchObject({ t: "data", pl: eventPayload("mark", "1") });
    bob.send({ t: "data", c, pl: eventPayload("mark", "2") });
    expect(await ada.next()).toMatchObject({ t: "data", pl: eventPayload("mark", "2") });
    expect((await gateway.stats()).droppedSignals).toBe(droppedSignals + wrong.length);
  });

  test("payloads arrive up to the limit, and forms of other writers are read", async () => {
    const c = channelName();
    using ada = await member(gateway, "ada", c);
    using bob = await member(gateway, "bob", c);
    const large = Buffer.alloc(65_536, 7);
    ada.send({ t: "data", c, pl: large });
    expect((await bob.next()).pl).toEqual(large);
    // `pl` as str 8 and as str 16, which older writers have in the place of bin, and not UTF-8.
    const head = pack({ t: "data", c, pl: "" }).subarray(0, -1);
    const bytes = Buffer.from([0xff, 0xfe, 0, 1]);
    ada.sendBytes(Buffer.concat([head, Buffer.from([0xd9, 4]), bytes]));
    ada.sendBytes(Buffer.concat([head, Buffer.from([0xda, 0, 4]), bytes]));
    ada.sendBytes(pack({ unknown: { deep: [1, null] }, pl: bytes, c, op: null, t: "data" }));
    for (let index = 0; index < 3; index++) expect((await bob.next()).pl).toEqual(bytes);
  });

  test("nothing of version 2 comes to it", async () => {
    const c = channelName();
    using ada = await open(gateway, "ada");
    ada.send({ t: "control", op: "channel_join", c, id: 7, pl: pack({ id: "ada" }) });
    ada.send({ t: "data", c: "elsewhere", id: 8 });
    expect(await ada.next()).toEqual({ t: "control", op: "channel_join", c, p: "", mesh });
    using two = await open(gateway, "two", { v: "2" });
    two.send({ t: "control", op: "subscribe", c, id: 1 });
    two.send({ t: "data", c, id: 2, pl: eventPayload("e", "1") });
    expect(await ada.next()).toEqual({
      ...{ t: "data", c, p: "two", pl: eventPayload("e", "1"), mesh },
    });
    two.send({ t: "control", op: "unsubscribe", c, id: 3 });
    await two.nextOf("ack");
    await gateway.post("/api/publish", { channel: c, data: 1 });
    expect(await ada.next()).toMatchObject({ t: "data", p: "" });
  });

  describe("the others hear of the end of a connection", () => {
    const joinAndHold = `
      const socket = new WebSocket(process.env.URL, { tls: { ca: process.env.CA } });
      socket.binaryType = "arraybuffer";
      socket.onopen = () => socket.send(Buffer.from(process.env.JOIN, "hex"));
      socket.onmessage = () => console.log("joined");
    `;

    test("that says goodbye, once in each of its channels", async () => {
      const [c, d] = [channelName(), channelName()];
      using bob = await member(gateway, "bob", c);
      await bob.join(d);
      using ada = await member(gateway, "ada", c);
      await ada.join(d);
      ada.close();
      const heard = [await bob.next(), await bob.next()];
      expect(new Set(heard.map((signal) => signal.c))).toEqual(new Set([c, d]));
      for (const signal of heard) expect(signal).toMatchObject({ op: "peer_offline", p: "ada" });
      expect((await presence(gateway, c)).members).toMatchObject([{ clientId: "bob" }]);
    });

    test("that breaks off", async () => {
      const c = channelName();
      using bob = await member(gateway, "bob", c);
      const { subscriberUrl, ca } = gateway.process;
      const raw = await RawWebSocket.open(signallingUrl(subscriberUrl, { id: "ada" }), ca);
      raw.sendFrame(2, pack({ t: "control", op: "channel_join", c }));
      await raw.binary(0);
      raw.destroy();
      expect(await bob.next()).toEqual({ t: "control", op: "peer_offline", c, p: "ada", mesh });
    });

    test("of a process that is killed", async () => {
      const c = channelName();
      using bob = await member(gateway, "bob", c);
      const { subscriberUrl, ca } = gateway.process;
      const child = Bun.spawn([process.execPath, "-e", joinAndHold], {
        env: {
          URL: signallingUrl(subscriberUrl, { id: "ada" }),
          CA: ca,
          JOIN: pack({ t: "control", op: "channel_join", c }).toString("hex"),
        },
        stdout: "pipe",
        stderr: "inherit",
      });
      const { value } = await within(child.stdout.getReader().read(), "the other process");
      expect(new TextDecoder().decode(value)).toBe("joined\n");
      child.kill("SIGKILL");
      expect(await bob.next()).toEqual({ t: "control", op: "peer_offline", c, p: "ada", mesh });
      await child.exited;
    });

    test("that the publisher API disconnects, which is told not to come back", async () => {
      const c = channelName();
      using bob = await member(gateway, "bob", c);
      using ada = await member(gateway, "ada", c);
      const { members } = await presence(gateway, c);
      const { connection } = members.find((each: { clientId: string }) => each.clientId === "ada");
      await gateway.post("/api/disconnect", { connection });
      expect((await within(ada.ended, "close frame")).code).toBe(4500);
      expect(await bob.next()).toEqual({ t: "control", op: "peer_offline", c, p: "ada", mesh });
    });
  });
});
