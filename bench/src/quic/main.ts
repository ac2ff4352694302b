/** The load over WebTransport, run by Deno: does what each line of its input says. */
import process from "node:process";
import { createInterface } from "node:readline";
import type { QuicLoadAnswer, QuicLoadCommand } from "./protocol.ts";
import { Returns } from "./returns.ts";
import { Sessions } from "./sessions.ts";

let sessions: Sessions | undefined;
let returns: Returns | undefined;

async function answer(command: QuicLoadCommand): Promise<QuicLoadAnswer> {
  if (command.kind === "open") {
    sessions = new Sessions(command);
    return { kind: "opened", seconds: await sessions.open() };
  }
  if (command.kind === "return") {
    returns = new Returns(command);
    return { kind: "returned", ...(await returns.complete()) };
  }
  if (command.kind === "leave") {
    await (sessions ?? returns)?.leave();
    sessions = undefined;
    returns = undefined;
    return { kind: "left" };
  }
  if (sessions === undefined) throw new Error("no sessions are open");
  if (command.kind === "fan out") return { kind: "heard", ...(await sessions.fanOut(command)) };
  return { kind: "sent", ...(await sessions.send(command)) };
}

function say(message: QuicLoadAnswer): void {
  console.log(JSON.stringify(message));
}

say({ kind: "ready" });
for await (const line of createInterface({ input: process.stdin })) {
  try {
    say(await answer(JSON.parse(line)));
  } catch (error) {
    say({ kind: "failed", message: error instanceof Error ? error.message : String(error) });
  }
}
process.exit(0);
