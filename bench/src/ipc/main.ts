import { endAll } from "../processes.ts";
import { temporaryDirectory } from "../rounds.ts";
import { type IpcCost, measureIpc } from "./measure.ts";

const directory = temporaryDirectory();
const show = (what: string, { publisher, node, receiver }: IpcCost) => {
  const [a, b, c] = [publisher, node, receiver].map((micros) => micros.toFixed(2));
  console.log(`${what}: publisher ${a}, node ${b}, receiver ${c} µs CPU a message`);
};
try {
  const options = { floodMessages: 500_000, pacedMessages: 200_000, perSecond: 20_000 };
  const { flood, paced } = await measureIpc(directory.path, options);
  show("flood", flood);
  show("20,000 a second", paced);
} finally {
  await endAll();
  directory.dispose();
}
