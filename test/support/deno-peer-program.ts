/**
 * Run by Deno: does what a page with `user` in it would do. Reads lines with an expression such as
 * `user.open("https:...", "...")`, and writes one of JSON with its outcome for each.
 */

import process from "node:process";
import { createInterface } from "node:readline";
import "./webtransport-user.ts";
import type { WebTransportUser } from "./webtransport-user.ts";

type Method = (...args: unknown[]) => unknown;

const { user } = globalThis as unknown as { user: WebTransportUser };

async function outcomeOf(expression: string): Promise<object> {
  const [, name = "", args = ""] = /^user\.(\w+)\((.*)\)$/s.exec(expression) ?? [];
  try {
    const method: Method = Reflect.get(user, name);
    return { value: await Reflect.apply(method, user, JSON.parse(`[${args}]`)) };
  } catch (error) {
    return { error: String(error) };
  }
}

createInterface({ input: process.stdin }).on("line", async (line) => {
  const { id, expression } = JSON.parse(line);
  console.log(JSON.stringify({ id, ...(await outcomeOf(expression)) }));
});
