import { peerNamed, peers, presencePeers } from "../peers/index.ts";
import { Crowd } from "./crowd.ts";
import { move } from "./mover.ts";
import { SubscriberPool } from "./pool.ts";
import type { LoadAnswer, LoadCommand } from "./protocol.ts";
import { publishTicks } from "./publisher.ts";

const pool = new SubscriberPool();
/** By channel. */
const crowds = new Map<string, Crowd>();

async function answer(command: LoadCommand): Promise<LoadAnswer> {
  switch (command.kind) {
    case "connect": {
      const began = performance.now();
      await pool.connect(command, peerNamed(peers, command.peer).subscriber);
      return { kind: "connected", seconds: (performance.now() - began) / 1000 };
    }
    case "publish": {
      const published = await publishTicks(command, peerNamed(peers, command.peer), pool);
      return { kind: "published", ...published };
    }
    case "enter": {
      const crowd = new Crowd(peerNamed(presencePeers, command.peer), command);
      crowds.set(command.channel, crowd);
      return { kind: "entered", ...(await crowd.enter()) };
    }
    case "move": {
      const crowd = crowds.get(command.channel);
      if (crowd === undefined) throw new Error(`nobody is in ${command.channel}`);
      return { kind: "moved", ...(await move(command, crowd)) };
    }
    case "count":
      return { kind: "counted", ...pool.counters() };
  }
}

function send(message: LoadAnswer): void {
  process.send?.(message);
}

process.on("message", (command: LoadCommand) => {
  answer(command).then(send, (error: unknown) => {
    send({ kind: "failed", message: error instanceof Error ? error.message : String(error) });
  });
});
process.on("disconnect", () => process.exit(0));
send({ kind: "ready" });
