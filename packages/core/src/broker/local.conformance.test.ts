import type { Publication } from "../hub/publication.ts";
import { FakeClock } from "../testing/fake-clock.ts";
import { SeededRandom } from "../testing/seeded-random.ts";
import type { BrokerFixture, NodeSettings } from "./conformance/fixture.ts";
import { describeBroker } from "./conformance/suite.ts";
import { publicationHolding } from "./holdings.ts";
import { LocalBroker } from "./local.ts";
import { Node } from "./node.ts";

/** Promises that may follow one another within one process until all is quiet. */
const TURNS = 30;

async function setUp(settings: NodeSettings): Promise<BrokerFixture> {
  const clock = new FakeClock();
  const node = new Node<Publication>(
    { ...settings, clock, random: new SeededRandom() },
    publicationHolding,
  );
  const joined = new Map<unknown, LocalBroker>();
  let workers = 0;
  const settle = async () => {
    for (let turn = 0; turn < TURNS; turn++) await undefined;
  };
  return {
    async join(handler) {
      const broker = new LocalBroker(node, ++workers, handler);
      joined.set(broker, broker);
      return broker;
    },
    async leave(broker) {
      joined.get(broker)?.leave();
      await settle();
    },
    settle,
    async advance(ms) {
      clock.advance(ms);
      await settle();
    },
    held: () => node.held,
  };
}

describeBroker("the local broker", setUp, { hasLinks: false });
