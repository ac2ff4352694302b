import { clusterPeers, historyPeers, peerNamed, peers, presencePeers } from "../peers/index.ts";
import type { Peer, Publisher } from "../peers/peer.ts";
import { Crowd } from "./crowd.ts";
import { move } from "./mover.ts";
import { SubscriberPool } from "./pool.ts";
import type { LoadAnswer, LoadCommand } from "./protocol.ts";
import { publishTicks } from "./publisher.ts";

let pool = new SubscriberPool();
/** By channel. */
const crowds = new Map<string, Crowd>();
/** By address: kept, so that only the first ticks pay for a connection. */
const publishers = new Map<string, Publisher>();

const peerOf = (name: string): Peer =>
  peerNamed([...peers, ...clusterPeers, ...historyPeers], name);

async function publisherAt(url: string, peer: string): Promise<Publisher> {
  const known = publishers.get(url) ?? (await peerOf(peer).publisher(new URL(url)));
  publishers.set(url, known);
  return known;
}

async function answer(command: LoadCommand): Promise<LoadAnswer> {
  switch (command.kind) {
    case "connect": {
      const began = performance.now();
      await pool.connect(command, peerOf(command.peer));
      return { kind: "connected", seconds: (performance.now() - began) / 1000 };
    }
    case "poll": {
      const began = performance.now();
      await pool.poll(command);
      return { kind: "connected", seconds: (performance.now() - began) / 1000 };
    }
    case "leave": {
      pool.leave();
      pool = new SubscriberPool();
      return { kind: "left" };
    }
    case "publish": {
      const publisher = await publisherAt(command.url, command.peer);
      return { kind: "published", ...(await publishTicks(command, publisher, pool)) };
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
