import { peerNamed } from "../peers/index.ts";
import { SubscriberPool } from "./pool.ts";
import type { LoadAnswer, LoadCommand } from "./protocol.ts";
import { publishTicks } from "./publisher.ts";

const pool = new SubscriberPool();

async function answer(command: LoadCommand): Promise<LoadAnswer> {
  switch (command.kind) {
    case "connect": {
      const began = performance.now();
      await pool.connect(command, peerNamed(command.peer).subscriber);
      return { kind: "connected", seconds: (performance.now() - began) / 1000 };
    }
    case "publish": {
      const published = await publishTicks(command, peerNamed(command.peer), pool);
      return { kind: "published", ...published };
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
