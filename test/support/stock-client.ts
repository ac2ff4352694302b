import { io, type ManagerOptions, type Socket, type SocketOptions } from "socket.io-client";
import { patience, within } from "./deadline.ts";

export type ClientOptions = Partial<ManagerOptions & SocketOptions>;

/** The ways to connect that the stock client offers. */
export const ways: readonly [string, ClientOptions][] = [
  ["polling alone", { transports: ["polling"] }],
  ["WebSocket alone", { transports: ["websocket"] }],
  ["polling with an upgrade", {}],
];

/** The arguments of the next event of that name. */
export function once(socket: Socket, event: string, ms = patience): Promise<unknown[]> {
  const { promise, resolve } = Promise.withResolvers<unknown[]>();
  socket.once(event, (...args: unknown[]) => resolve(args));
  return within(promise, `client event ${event}`, ms);
}

/** Emits an event and gives its acknowledgement. */
export function ask(socket: Socket, event: string, ...args: unknown[]): Promise<unknown> {
  return socket.timeout(patience).emitWithAck(event, ...args);
}

/** Bytes as a list of numbers, since the client gives different classes on different transports. */
export function bytes(value: unknown): number[] {
  if (value instanceof ArrayBuffer) return [...new Uint8Array(value)];
  if (value instanceof Uint8Array) return [...value];
  throw new Error(`expected bytes, got ${value}`);
}

/** Resolves once the client, which may have begun on polling, is on WebSocket. */
export function upgraded(socket: Socket): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const { engine } = socket.io;
  if (engine.transport.name === "websocket") resolve();
  else engine.once("upgrade", () => resolve());
  return within(promise, "upgrade");
}

/** Stock clients of one server. */
export class StockClients {
  readonly #sockets: Socket[] = [];
  readonly #server: () => { readonly url: string; readonly ca?: string };

  /** `ca` is the certificate that the clients trust, PEM. */
  constructor(server: () => { readonly url: string; readonly ca?: string }) {
    this.#server = server;
  }

  /** A client on a connection of its own, which connects by itself only where that is asked. */
  open(options: ClientOptions = {}, namespace = "/"): Socket {
    const { url, ca } = this.#server();
    const socket = io(url + namespace, {
      forceNew: true,
      reconnection: false,
      ...(ca === undefined ? {} : { ca }),
      ...options,
    });
    this.#sockets.push(socket);
    return socket;
  }

  async connected(options: ClientOptions = {}, namespace = "/"): Promise<Socket> {
    const socket = this.open(options, namespace);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    socket.once("connect", resolve);
    socket.once("connect_error", reject);
    await within(promise, "connection of a client");
    socket.off("connect_error", reject);
    return socket;
  }

  /** The error of a client that is refused. */
  async refused(options: ClientOptions = {}, namespace = "/"): Promise<Error> {
    const [error] = await once(this.open(options, namespace), "connect_error");
    if (!(error instanceof Error)) throw new Error(`not an error: ${error}`);
    return error;
  }

  disconnectAll(): void {
    for (const socket of this.#sockets.splice(0)) socket.disconnect();
  }
}
