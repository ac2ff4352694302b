import type { Publication } from "../../hub/publication.ts";
import { FakeStreams, type FakeStreamsOptions } from "../../testing/fake-stream.ts";
import { SeededRandom } from "../../testing/seeded-random.ts";
import type { SetUpBroker } from "../conformance/fixture.ts";
import { describeBroker } from "../conformance/suite.ts";
import { publicationHolding } from "../holdings.ts";
import { Node } from "../node.ts";
import { encodedNode } from "./encoded-node.ts";
import { IpcFixture } from "./testing/ipc-fixture.ts";

function setUpIpc(options: FakeStreamsOptions): SetUpBroker {
  return async (settings) => {
    const fixture = new IpcFixture(settings, new FakeStreams(options));
    await fixture.listen();
    return fixture;
  };
}

describeBroker("the ipc broker", setUpIpc({}), { hasLinks: true });

describeBroker(
  "the ipc broker over streams that take and give few bytes at a time",
  setUpIpc({ capacity: 700, chunk: () => 13 }),
  { hasLinks: true },
);

describeBroker(
  "the ipc broker of a node that holds publications as objects",
  async (settings) => {
    const fixture = new IpcFixture(settings, new FakeStreams({}), {}, (clock) => {
      const node = new Node<Publication>(
        { ...settings, clock, random: new SeededRandom() },
        publicationHolding,
      );
      return { held: () => node.held, ...encodedNode(node) };
    });
    await fixture.listen();
    return fixture;
  },
  { hasLinks: true },
);
