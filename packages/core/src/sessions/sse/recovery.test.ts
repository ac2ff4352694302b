import { expect, test } from "bun:test";
import { Counters } from "../../hub/counters.ts";
import { Hub } from "../../hub/hub.ts";
import type { AppConfig } from "../../hub/namespace.ts";
import { positionText } from "../../hub/position.ts";
import { atOnce } from "../../testing/at-once.ts";
import { recoverable } from "../../testing/channel-fixture.ts";
import { DelayedBroker } from "../../testing/delayed-broker.ts";
import { FakeClock } from "../../testing/fake-clock.ts";
import { FakeNetwork } from "../../testing/fake-network.ts";
import { LocalNode } from "../../testing/local-node.ts";
import { SeededRandom } from "../../testing/seeded-random.ts";
import { turn } from "../../testing/turn.ts";
import { SseServer } from "./server.ts";
import type { TextStream } from "./session.ts";

class FakeStream implements TextStream {
  text = "";
  bufferedAmount = 0;
  isClosed = false;

  write(text: string): void {
    if (this.isClosed) throw new Error("written after the end");
    this.text += text;
  }

  close(): void {
    this.isClosed = true;
  }

  abort(): void {}

  /** The blocks since the last call, each without the empty line that ends it. */
  take(): string[] {
    const blocks = this.text.split("\n\n").slice(0, -1);
    this.text = "";
    return blocks;
  }
}

type Place = ConstructorParameters<typeof Hub>[0];

function setUp(place?: (local: LocalNode) => Pick<Place, "broker" | "handlers">) {
  const clock = new FakeClock();
  const apps = new Map<string, AppConfig>([
    ["default", { namespaces: new Map([["kept", recoverable]]) }],
  ]);
  const shared = { clock, random: new SeededRandom(), counters: new Counters(), apps };
  const limits = { slowConsumerBytes: 10_000, maxChannelsPerConnection: 3 };
  const local = new LocalNode({ clock, apps });
  const here = place?.(local) ?? LocalNode.alone({ clock, apps });
  const hub = new Hub({ ...shared, ...limits, ...here, fanout: new FakeNetwork() });
  const server = new SseServer({ hub, ...shared, ...limits, heartbeatMs: 15_000 });
  const open = async (
    channels: string[],
    request: { lastEventId?: string; last?: string } = {},
  ) => {
    const identity = { app: "default", source: "none" } as const;
    const session = await server.create(identity, { channels, envelope: false, ...request });
    const stream = new FakeStream();
    session.open(stream, 3_000);
    return { session, stream };
  };
  const say = (channel: string, data: number) =>
    hub.publishUnanswered({ app: "default", channel, event: "e", data: String(data) });
  const position = () =>
    positionText(atOnce(hub.history("default", "kept:1", { limit: 0 })).position);
  return { hub, local, open, say, position };
}

test("a stream that has heard nothing yet can come back", async () => {
  const { open, say, position } = setUp();
  say("kept:1", 1);
  const first = await open(["kept:1"]);
  const start = position();
  expect(first.stream.take()).toEqual(["retry: 3000", `id: ${start}`]);
  first.session.closed();
  say("kept:1", 2);
  const again = await open(["kept:1"], { lastEventId: start });
  expect(again.stream.take()).toEqual([
    "retry: 3000",
    `id: ${start}`,
    'event: starling:recovery\ndata: {"recovered":true}',
    `id: ${position()}\nevent: e\ndata: 2`,
  ]);
});

test("the last of several channels come in one order, and its start loses none of them", async () => {
  const { open, say, position } = setUp();
  const early = position();
  say("kept:1", 1);
  say("kept:2", 2);
  say("kept:1", 3);
  const { stream } = await open(["kept:1", "kept:2"], { last: "5" });
  const [, start, ...events] = stream.take();
  expect(start).toBe(`id: ${early}`);
  expect(events.map((block) => block.at(-1))).toEqual(["1", "2", "3"]);
});

test.each(["", "17", "gone.3"])("an id that is no place here (%p) recovers nothing", async (id) => {
  const { open, say, position } = setUp();
  say("kept:1", 1);
  const { stream } = await open(["kept:1"], { lastEventId: id });
  expect(stream.take()).toEqual([
    "retry: 3000",
    `id: ${position()}`,
    'event: starling:recovery\ndata: {"recovered":false}',
  ]);
});

test("nothing is lost or doubled on one of several workers, whenever something is said", async () => {
  for (let moment = 0; moment < 12; moment++) {
    let broker: DelayedBroker | undefined;
    const {
      local,
      open,
      position: _,
      hub,
    } = setUp((node) => {
      const far = node.place(DelayedBroker.join);
      broker = far.broker;
      return far;
    });
    const near = local.join();
    const say = (data: string) =>
      near.broker.publishUnanswered({
        app: "default",
        channels: [],
        streams: [{ channel: "kept:1", ...(recoverable.history ?? { size: 0, ttlMs: 0 }) }],
        publication: { app: "default", channel: "kept:1", event: "e", data },
        reached: 0,
      });
    const step = async () => {
      broker?.up.step();
      broker?.down.step();
      await turn();
    };
    say("1");
    const page = atOnce(near.broker.history("default", "kept:1", { limit: 0 }));
    const opening = open(["kept:1"], { lastEventId: `${page.position.epoch}.0` });
    for (let count = 0; count < moment; count++) await step();
    say("2");
    for (let count = 0; count < 40; count++) await step();
    say("3");
    for (let count = 0; count < 40; count++) await step();
    const { stream } = await opening;
    const blocks = stream.take();
    expect(blocks[2]).toBe('event: starling:recovery\ndata: {"recovered":true}');
    expect(blocks.slice(3).map((block) => block.at(-1))).toEqual(["1", "2", "3"]);
    expect(hub.subscribers().length).toBe(1);
  }
});
