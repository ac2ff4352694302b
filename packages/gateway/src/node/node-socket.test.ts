import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { listenOnSocket } from "../runtime/ipc-stream.ts";
import { isAbandoned, nodeSocketPath } from "./node-socket.ts";

let path: string;
beforeEach(() => {
  path = nodeSocketPath(mkdtempSync(join(tmpdir(), "starling-socket-")));
});
afterEach(() => rmSync(join(path, ".."), { recursive: true }));

const silent = () => ({ data() {}, drained() {}, closed() {} });

test("a socket is abandoned where the file is there and nobody answers", async () => {
  expect(await isAbandoned(path)).toBe(false);
  const socket = await listenOnSocket(path, silent);
  expect(await isAbandoned(path)).toBe(false);
  // The file stays behind under another name when the socket ends.
  const left = `${path}.left`;
  renameSync(path, left);
  socket.stop();
  expect(await isAbandoned(left)).toBe(true);
});
