/** What servers of a cluster do that lose their leader, as a worker sees it. */

import { afterAll, expect, test } from "bun:test";
import type { Msg, NatsConnection, RequestOptions, SubscriptionOptions } from "@nats-io/nats-core";
import { kept } from "@starling/core/broker/conformance/kept.ts";
import { settings } from "@starling/core/broker/conformance/settings.ts";
import { join } from "@starling/core/broker/conformance/worker.ts";
import { closedAfterEach } from "./testing/closing.ts";
import { MeshNode, ownPrefix } from "./testing/mesh-fixture.ts";
import { connectTo, NatsServer } from "./testing/nats-server.ts";
import { until } from "./testing/until.ts";

const PLACE = { namespace: "", size: 1_000, ttlMs: 60_000 };

const server = await NatsServer.start();
afterAll(() => server.stop());

const closing = closedAfterEach();

/** A link on which what streams republish can be lost, and states of streams be those of a server without a leader. */
class ClusterLink {
  isLosing = false;
  lost = 0;
  /** Answers that come from a server which has this much and knows no leader. */
  leaderless = 0;
  last = 0;

  over(connection: NatsConnection): NatsConnection {
    const subscribe = (subject: string, options: SubscriptionOptions = {}) => {
      const { callback } = options;
      if (callback === undefined || !subject.includes(".live.")) {
        return connection.subscribe(subject, options);
      }
      const lossy = (error: Error | null, message: Msg) => {
        if (this.isLosing) this.lost++;
        else callback(error, message);
      };
      return connection.subscribe(subject, { ...options, callback: lossy });
    };
    const request = async (subject: string, payload: string, options?: RequestOptions) => {
      const answer = await connection.request(subject, payload, options);
      if (!subject.startsWith("$JS.API.STREAM.INFO.") || this.leaderless === 0) return answer;
      this.leaderless--;
      const info = answer.json<{ state: object }>();
      const state = { ...info.state, messages: this.last, last_seq: this.last };
      const stale = { ...info, state, cluster: { name: "test", replicas: [] } };
      const data = new TextEncoder().encode(JSON.stringify(stale));
      return new Proxy(answer, {
        get: (target, name) => {
          if (name === "data") return data;
          if (name === "json") return () => stale;
          return Reflect.get(target, name, target);
        },
      });
    };
    return new Proxy(connection, {
      get(target, name) {
        if (name === "subscribe") return subscribe;
        if (name === "request") return request;
        const value: unknown = Reflect.get(target, name, target);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
  }
}

async function mesh() {
  const shared = { server, prefix: ownPrefix(), settings, placeOf: () => PLACE };
  const link = new ClusterLink();
  const publishing = new MeshNode(shared);
  const hearing = new MeshNode({
    ...shared,
    connect: async () => link.over(await connectTo(server)),
  });
  closing.push(
    () => publishing.close(),
    () => hearing.close(),
  );
  const [publisher, reader] = [await join(publishing), await join(hearing)];
  await reader.broker.interest("default", "a", 1);
  const publish = async (text: string) => {
    const [position] = (await publisher.broker.publish(kept("a", text))).positions;
    return position;
  };
  return { link, hearing, reader, publish, stream: `${shared.prefix}+default+=` };
}

test("what a stream has kept and said to nobody comes when the stream has another leader", async () => {
  const { link, reader, publish, stream } = await mesh();
  await publish("1");
  await until(() => reader.received.length === 1);
  link.isLosing = true;
  await publish("2");
  await publish("3");
  await until(() => link.lost === 2);
  link.isLosing = false;
  const servers = await connectTo(server);
  servers.publish(`$JS.EVENT.ADVISORY.STREAM.LEADER_ELECTED.${stream}`, "{}");
  await until(() => reader.received.length === 3);
  await publish("4");
  await until(() => reader.received.length === 4);
  await servers.close();
  expect(reader.received.map(({ data }) => data)).toEqual(["1", "2", "3", "4"]);
});

test("a server that does not know the leader of a stream is not believed", async () => {
  const { link, hearing, reader, publish } = await mesh();
  await publish("1");
  await publish("2");
  const since = await publish("3");
  await publish("4");
  await hearing.settle();
  link.last = 1;
  link.leaderless = 3;
  const page = await reader.broker.history("default", "a", { since, limit: 10 });
  expect(link.leaderless).toBe(0);
  expect(page).toMatchObject({ isComplete: true, hasMore: false, position: { offset: 4 } });
  expect(page.entries.map(({ content }) => content.data)).toEqual(["4"]);
});
