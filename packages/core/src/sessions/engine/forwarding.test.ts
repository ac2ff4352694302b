import { describe, expect, test } from "bun:test";
import { publication } from "../../testing/channel-fixture.ts";
import { SeededRandom } from "../../testing/seeded-random.ts";
import { SocketIoCluster } from "../../testing/socketio-cluster.ts";
import { turn } from "../../testing/turn.ts";
import { MAX_WAITING, SMALL_BODY_BYTES } from "./forwarder.ts";
import type { HttpAnswer } from "./http.ts";
import { createSessionId, ownerOf } from "./session-id.ts";

const UNKNOWN = expect.objectContaining({
  status: 400,
  body: expect.stringContaining("Session ID unknown"),
});

async function subscribed() {
  const cluster = new SocketIoCluster({ workers: 2 });
  const client = await cluster.client();
  await cluster.settled(client.post(1, '42["subscribe",{"channel":"open:1"}]'));
  const publish = (data: string) =>
    cluster.worker(1).hub.publishUnanswered(publication("open:1", data));
  return { cluster, client, publish, owner: cluster.worker(1), other: cluster.worker(2) };
}

describe("a session id", () => {
  test("names its worker, and none where a node has but one", () => {
    const random = new SeededRandom();
    expect(createSessionId(0, random)).toMatch(/^[\w-]{20}$/);
    for (const worker of [1, 35, 36, 123_456]) {
      const id = createSessionId(worker, random);
      expect(ownerOf(id)).toBe(worker);
      expect(encodeURIComponent(id)).toBe(id);
    }
  });

  test.each([
    "",
    ".",
    "1",
    "1.",
    ".aaaaaaaaaaaaaaaaaaaa",
    "0.aaaaaaaaaaaaaaaaaaaa",
    "1.aaaaaaaaaaaaaaaaaaaaa",
    "-1.aaaaaaaaaaaaaaaaaaaa",
    "123456789.aaaaaaaaaaaaaaaaaaaa",
    "1.aaaaaaaaaaaaaaaaaaa\n",
    "aaaaaaaaaaaaaaaaaaaa",
  ])("that no worker makes names none: %j", (id) => {
    expect(ownerOf(id)).toBeUndefined();
  });
});

describe("a request at another worker than its session's", () => {
  test("is answered as if it had come to the right one", async () => {
    const { cluster, client, publish, owner, other } = await subscribed();
    expect(await cluster.settled(client.post(2, '421["unsubscribe",{"channel":"x"}]'))).toEqual({
      status: 200,
      contentType: "text/html",
      body: "ok",
    });
    const poll = await cluster.settled(client.poll(2));
    expect(poll.body).toContain('431[{"ok":true');
    const waiting = client.poll(2);
    await cluster.settle();
    publish('"now"');
    expect((await cluster.settled(waiting)).body).toBe('42["open:1","now"]');
    expect(other.counters.requestsPassedOn).toBe(3);
    expect(owner.counters.requestsPassedOn).toBe(0);
  });

  test("is refused for a method that sessions do not have", async () => {
    const { cluster, client } = await subscribed();
    const answer = await cluster.settled(client.request(2, "PUT", `&sid=${client.sid}`));
    expect(answer.body).toContain("Bad request");
  });

  test("ends the session when it is a second poll at the same time", async () => {
    const { cluster, client, owner } = await subscribed();
    const waiting = client.poll(1);
    expect((await cluster.settled(client.poll(2))).body).toContain("Bad request");
    expect(owner.counters.malformedPackets).toBe(1);
    expect((await cluster.settled(waiting)).body).toBe("1");
  });

  test("ends the session when its client goes away while it waits", async () => {
    const { cluster, client, owner } = await subscribed();
    const aborts: (() => void)[] = [];
    const waiting = client.poll(2, aborts);
    await cluster.settle();
    for (const abort of aborts) abort();
    expect(await cluster.settled(waiting)).toEqual(UNKNOWN);
    expect(owner.counters.connections).toBe(0);
    expect(owner.engine.sessions).toBe(0);
  });

  test("ends the session when its client goes away before it had all of the answer", async () => {
    const { cluster, client, publish, owner } = await subscribed();
    const aborts: (() => void)[] = [];
    publish("1");
    await cluster.settled(client.poll(2, aborts));
    expect(owner.counters.connections).toBe(1);
    for (const abort of aborts) abort();
    await cluster.settle();
    expect(owner.counters.connections).toBe(0);
  });

  test("is told that the session is unknown once the worker is gone, also while it waits", async () => {
    const { cluster, client, owner, other } = await subscribed();
    const waiting = client.poll(2);
    await cluster.settle();
    owner.broker.leave();
    expect(await cluster.settled(waiting)).toEqual(UNKNOWN);
    expect(await cluster.settled(client.poll(2))).toEqual(UNKNOWN);
    expect(await cluster.settled(client.post(2, "40"))).toEqual(UNKNOWN);
    await cluster.settle();
    expect(other.counters.requestsNotPassedOn).toBe(3);
  });

  test("that is answered is forgotten: a worker that leaves hurries only those that wait", async () => {
    const { cluster, client, publish, other } = await subscribed();
    const waiting = client.poll(2);
    publish("1");
    await cluster.settled(waiting);
    other.engine.leave();
    expect(other.broker.up.isEmpty).toBe(true);
  });

  test("does not wait at a worker that leaves, and the session goes on elsewhere", async () => {
    const { cluster, client, publish, owner, other } = await subscribed();
    const noop = expect.objectContaining({ status: 200, body: "6" });
    const waiting = client.poll(2);
    await cluster.settle();
    other.engine.leave();
    expect(await cluster.settled(waiting)).toEqual(noop);
    expect(await cluster.settled(client.poll(2))).toEqual(noop);
    publish("1");
    expect((await cluster.settled(client.poll(2))).body).toBe('42["open:1",1]');
    const elsewhere = client.poll(1);
    publish("2");
    expect((await cluster.settled(elsewhere)).body).toBe('42["open:1",2]');
    expect(owner.counters.connections).toBe(1);
  });

  test.each(["1.aaaaaaaaaaaaaaaaaaaa", "2.aaaaaaaaaaaaaaaaaaaa", "zzzz.aaaaaaaaaaaaaaaaaaaa", "x"])(
    "is told that the session is unknown where the id is made up: %s",
    async (sid) => {
      const { cluster, client } = await subscribed();
      const request = (method: string) => client.request(2, method, `&sid=${sid}`, "40");
      expect(await cluster.settled(request("GET"))).toEqual(UNKNOWN);
      expect(await cluster.settled(request("POST"))).toEqual(UNKNOWN);
    },
  );

  test("is refused, and not kept, when too many wait already", async () => {
    const { cluster, client, other } = await subscribed();
    const answers: HttpAnswer[] = [];
    for (let count = 0; count <= MAX_WAITING; count++) {
      const sid = "1.aaaaaaaaaaaaaaaaaaaa";
      const answer = client.request(2, "GET", `&sid=${sid}`);
      if (!(answer instanceof Promise)) answers.push(answer);
    }
    expect(answers.map(({ status }) => status)).toEqual([503]);
    expect(other.counters.requestsNotPassedOn).toBe(1);
    await cluster.settle();
    expect(await cluster.settled(client.post(2, "42[]"))).not.toEqual(answers[0]);
  });
});

describe("a large body at another worker than its session's", () => {
  const setUp = async () => {
    const { cluster, client, other } = await subscribed();
    let reads = 0;
    let finish = (_body: string) => {};
    const post = (sid: string, announcedBytes: number | undefined) =>
      other.engine.handleRequest({
        method: "POST",
        query: new URLSearchParams(`EIO=4&transport=polling&sid=${sid}`),
        address: "192.0.2.1",
        origin: null,
        announcedBytes,
        readBody: () => {
          reads++;
          return new Promise((resolve) => {
            finish = resolve;
          });
        },
        onAbort: () => undefined,
      });
    return { cluster, client, post, finish: (body: string) => finish(body), reads: () => reads };
  };

  test.each([SMALL_BODY_BYTES + 1, undefined])(
    "is not read for a session that nobody knows: %p bytes announced",
    async (announcedBytes) => {
      const { cluster, post, reads } = await setUp();
      expect(await cluster.settled(post("1.aaaaaaaaaaaaaaaaaaaa", announcedBytes))).toEqual(
        UNKNOWN,
      );
      expect(reads()).toBe(0);
    },
  );

  test("is read one at a time for one session", async () => {
    const { cluster, client, post, finish, reads } = await setUp();
    const first = post(client.sid, undefined);
    await cluster.settle();
    expect((await cluster.settled(post(client.sid, undefined))).body).toContain("Bad request");
    expect(reads()).toBe(1);
    finish('42["x"]');
    await turn();
    expect((await cluster.settled(first)).status).toBe(200);
    const next = post(client.sid, undefined);
    await cluster.settle();
    finish("6");
    expect((await cluster.settled(next)).body).toBe("ok");
  });
});
