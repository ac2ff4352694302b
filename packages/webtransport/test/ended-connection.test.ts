/** Deno closes the streams of a connection with it, also those that nobody has accepted yet. */

import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { NEW_KEY, openssl } from "../../../test/support/openssl.ts";
import { DenoProcess } from "./peer-process.ts";

setDefaultTimeout(60_000);

const PROGRAM = fileURLToPath(new URL("ended-connection.ts", import.meta.url));
const START_MS = 20_000;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "starling-ended-"));
  const files = ["-keyout", "key.pem", "-out", "cert.pem", "-subj", "/CN=localhost", "-days", "2"];
  // Deno's client trusts no server that is an authority.
  const names = ["subjectAltName=DNS:localhost", "basicConstraints=critical,CA:FALSE"];
  const extensions = names.flatMap((name) => ["-addext", name]);
  openssl(folder, ["req", "-x509", ...NEW_KEY, ...files, ...extensions]);
});
afterAll(() => rmSync(folder, { recursive: true }));

test("a connection that has ended has no more streams, whatever its client had opened", async () => {
  const files = [join(folder, "cert.pem"), join(folder, "key.pem")];
  const program = new DenoProcess(PROGRAM, files, ["--allow-read"]);
  expect(await program.next("streams", START_MS)).toMatchObject({
    bidirectional: "none",
    unidirectional: "none",
  });
  expect(await program.exited).toBe(0);
});
