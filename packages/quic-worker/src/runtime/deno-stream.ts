import type { ByteStream, ByteStreamHandler, OpenStream } from "@starling/core/ports.ts";

/** Bytes that are read at once. */
const CHUNK = 65_536;

/** Opens streams to a unix socket under Deno. */
export function openSocketInDeno(path: string): OpenStream {
  return async (handler) =>
    new DenoStream(await Deno.connect({ transport: "unix", path }), handler);
}

/** Deno's connections are written to with promises, so one write at a time is under way. */
class DenoStream implements ByteStream {
  readonly #connection: Deno.UnixConn;
  readonly #handler: ByteStreamHandler;
  #isWriting = false;
  #isRefused = false;
  #isEnded = false;

  constructor(connection: Deno.UnixConn, handler: ByteStreamHandler) {
    this.#connection = connection;
    this.#handler = handler;
    void this.#read();
  }

  write(bytes: Uint8Array): number {
    if (this.#isWriting || this.#isEnded) {
      this.#isRefused = true;
      return 0;
    }
    this.#isWriting = true;
    void this.#write(bytes.slice());
    return bytes.length;
  }

  end(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#connection.close();
    this.#handler.closed();
  }

  async #write(bytes: Uint8Array): Promise<void> {
    try {
      for (let at = 0; at < bytes.length; ) {
        at += await this.#connection.write(bytes.subarray(at));
      }
    } catch {
      this.end();
      return;
    }
    this.#isWriting = false;
    if (!this.#isRefused) return;
    this.#isRefused = false;
    this.#handler.drained();
  }

  async #read(): Promise<void> {
    const buffer = new Uint8Array(CHUNK);
    while (!this.#isEnded) {
      const length = await this.#connection.read(buffer).catch(() => null);
      if (length === null) this.end();
      else if (!this.#isEnded) this.#handler.data(buffer.subarray(0, length));
    }
  }
}
