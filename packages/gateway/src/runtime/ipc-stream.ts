import { lstatSync, unlinkSync } from "node:fs";
import type { ByteStream, ByteStreamHandler, OpenStream } from "@starling/core/ports.ts";
import type { Socket } from "bun";

/** Bytes that the path of a unix socket may have on Linux (unix(7): sun_path holds 108 with its end). */
const MAX_PATH_BYTES = 107;

/** A unix socket that streams are accepted on. */
export interface SocketListener {
  /** Accepts no more and removes the socket file; streams that are open live on. */
  stop(): void;
}

/** What a socket keeps: the stream that it is, and who handles what comes over it. */
interface Attached {
  readonly stream: BunStream;
  readonly handler: ByteStreamHandler;
}

class BunStream implements ByteStream {
  readonly #socket: Socket<Attached | undefined>;

  constructor(socket: Socket<Attached | undefined>) {
    this.#socket = socket;
  }

  write(bytes: Uint8Array): number {
    // Below 0 the socket is closed already.
    return Math.max(0, this.#socket.write(bytes));
  }

  end(): void {
    this.#socket.terminate();
  }
}

const handlers = {
  binaryType: "uint8array",
  data(socket: Socket<Attached | undefined>, bytes: Uint8Array): void {
    socket.data?.handler.data(bytes);
  },
  drain(socket: Socket<Attached | undefined>): void {
    socket.data?.handler.drained();
  },
  close(socket: Socket<Attached | undefined>): void {
    const attached = socket.data;
    socket.data = undefined;
    attached?.handler.closed();
  },
  // Whatever went wrong, the stream is no more, and `close` says so.
  error(): void {},
} as const;

/**
 * Listens on a unix socket that this user alone can connect to. A socket file that nobody listens on
 * any more is replaced.
 *
 * @throws RangeError when the path is longer than a socket's may be
 * @throws Error when somebody listens there, or something else has that name
 */
export async function listenOnSocket(
  path: string,
  accept: (stream: ByteStream) => ByteStreamHandler,
): Promise<SocketListener> {
  checkLength(path);
  await removeStale(path);
  // The file is never there with other rights, not even for a moment.
  const mask = process.umask(0o177);
  try {
    const listener = Bun.listen<Attached | undefined>({
      unix: path,
      socket: {
        ...handlers,
        open(socket) {
          const stream = new BunStream(socket);
          socket.data = { stream, handler: accept(stream) };
        },
      },
    });
    return {
      stop() {
        listener.stop();
        remove(path);
      },
    };
  } finally {
    process.umask(mask);
  }
}

/** Opens streams to a unix socket. */
export function openSocket(path: string): OpenStream {
  checkLength(path);
  return async (handler) => {
    let stream: BunStream | undefined;
    await Bun.connect<Attached | undefined>({
      unix: path,
      data: undefined,
      socket: {
        ...handlers,
        open(socket) {
          stream = new BunStream(socket);
          socket.data = { stream, handler };
        },
      },
    });
    if (stream === undefined) throw new Error(`${path} was closed at once`);
    return stream;
  };
}

function checkLength(path: string): void {
  const length = Buffer.byteLength(path);
  if (length <= MAX_PATH_BYTES) return;
  throw new RangeError(
    `the path of the socket has ${length} bytes, ${MAX_PATH_BYTES} is the most that the system allows: ${path}`,
  );
}

async function removeStale(path: string): Promise<void> {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return;
  if (!found.isSocket()) throw new Error(`${path} is no socket; remove it or name another path`);
  if (await isAlive(path)) throw new Error(`another process listens on ${path} already`);
  remove(path);
}

async function isAlive(path: string): Promise<boolean> {
  try {
    const socket = await Bun.connect({ unix: path, socket: { data() {} } });
    socket.terminate();
    return true;
  } catch {
    return false;
  }
}

function remove(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
}
