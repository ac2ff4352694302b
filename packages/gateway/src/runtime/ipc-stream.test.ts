import { afterAll, expect, test } from "bun:test";
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ByteStream, ByteStreamHandler } from "@starling/core/ports.ts";
import { listenOnSocket, openSocket } from "./ipc-stream.ts";

const directory = mkdtempSync(join(tmpdir(), "starling-socket-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const nobody: ByteStreamHandler = { data() {}, drained() {}, closed() {} };

/** One end of a stream that keeps what comes, and can be waited for. */
class End implements ByteStreamHandler {
  readonly chunks: Uint8Array[] = [];
  stream: ByteStream | undefined;
  readonly isClosed = Promise.withResolvers<void>();
  #length = 0;
  #wanted: { readonly length: number; readonly resolve: () => void } | undefined;
  #drained: (() => void) | undefined;

  data(bytes: Uint8Array): void {
    this.chunks.push(new Uint8Array(bytes));
    this.#length += bytes.length;
    if (this.#length >= (this.#wanted?.length ?? Number.POSITIVE_INFINITY)) this.#wanted?.resolve();
  }

  drained(): void {
    this.#drained?.();
  }

  closed(): void {
    this.isClosed.resolve();
  }

  received(length: number): Promise<void> {
    return new Promise((resolve) => {
      this.#wanted = { length, resolve };
      this.data(new Uint8Array(0));
    });
  }

  /** Writes all of it, waiting where the stream takes no more. */
  async send(bytes: Uint8Array): Promise<number> {
    let waits = 0;
    for (let at = 0; at < bytes.length; ) {
      const drained = new Promise<void>((resolve) => {
        this.#drained = resolve;
      });
      at += this.stream?.write(bytes.subarray(at)) ?? 0;
      if (at === bytes.length) break;
      waits++;
      await drained;
    }
    return waits;
  }
}

async function connected(path: string) {
  const [near, far] = [new End(), new End()];
  const listener = await listenOnSocket(path, (stream) => {
    far.stream = stream;
    return far;
  });
  near.stream = await openSocket(path)(near);
  return { near, far, listener };
}

test("a socket carries bytes both ways, and says when it takes more", async () => {
  const { near, far, listener } = await connected(join(directory, "bytes.sock"));
  const bytes = Uint8Array.from({ length: 3_000_000 }, (_, index) => index % 251);
  const waits = near.send(bytes);
  await far.received(bytes.length);
  expect(await waits).toBeGreaterThan(0);
  expect(Buffer.concat(far.chunks).equals(bytes)).toBe(true);
  await far.send(bytes.subarray(0, 1_000));
  await near.received(1_000);
  expect(Buffer.concat(near.chunks).equals(bytes.subarray(0, 1_000))).toBe(true);
  listener.stop();
  near.stream?.end();
  await Promise.all([near.isClosed.promise, far.isClosed.promise]);
  expect(near.stream?.write(bytes)).toBe(0);
});

test("nobody else may connect to a socket, and its file is gone when it is stopped", async () => {
  const path = join(directory, "mode.sock");
  const mask = process.umask();
  const listener = await listenOnSocket(path, () => nobody);
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(process.umask()).toBe(mask);
  listener.stop();
  expect(existsSync(path)).toBe(false);
  await expect(openSocket(path)(nobody)).rejects.toThrow();
});

test("streams outlive the listener that accepted them", async () => {
  const { near, far, listener } = await connected(join(directory, "outlive.sock"));
  await near.send(Uint8Array.of(1));
  await far.received(1);
  listener.stop();
  await near.send(Uint8Array.of(2));
  await far.received(2);
  near.stream?.end();
});

test("the socket of a process that died is replaced, and that of a living one is not", async () => {
  const path = join(directory, "stale.sock");
  const program = `Bun.listen({ unix: ${JSON.stringify(path)}, socket: { data() {} } });
    console.log("listening");`;
  const child = Bun.spawn([process.execPath, "-e", program], { stdout: "pipe" });
  await child.stdout.getReader().read();
  await expect(listenOnSocket(path, () => nobody)).rejects.toThrow("another process listens on");
  child.kill("SIGKILL");
  await child.exited;
  expect(existsSync(path)).toBe(true);
  const listener = await listenOnSocket(path, () => nobody);
  (await openSocket(path)(nobody)).end();
  listener.stop();
});

test("a file that is no socket is left alone", async () => {
  const path = join(directory, "file");
  writeFileSync(path, "precious");
  await expect(listenOnSocket(path, () => nobody)).rejects.toThrow("is no socket");
  expect(existsSync(path)).toBe(true);
});

test("a path that is too long for a socket is refused, counted in bytes", async () => {
  const path = join(directory, "é".repeat(60));
  await expect(listenOnSocket(path, () => nobody)).rejects.toThrow("107 is the most");
  expect(() => openSocket(path)).toThrow("107 is the most");
  const longest = `${directory}/`.padEnd(107, "x");
  const listener = await listenOnSocket(longest, () => nobody);
  listener.stop();
});
