import { renameSync, rmSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { within } from "../deadline.ts";

/** Stands at the path of a unix socket, and passes every stream on until a test cuts them. */
export class UnixProxy implements Disposable {
  readonly #path: string;
  readonly #behind: string;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #delayOf: (stream: number) => number;
  #streams = 0;
  #isCut = false;

  private constructor(path: string, delayOf: (stream: number) => number) {
    this.#path = path;
    this.#delayOf = delayOf;
    this.#behind = `${path}.behind`;
    this.#server = createServer((client) => this.#take(client));
  }

  /**
   * Takes the place of the server that listens at `path`. `delayOf` says by how many milliseconds it
   * gets later what a client writes, by the number of the stream, from 0.
   */
  static async inFrontOf(
    path: string,
    delayOf: (stream: number) => number = () => 0,
  ): Promise<UnixProxy> {
    const proxy = new UnixProxy(path, delayOf);
    renameSync(path, proxy.#behind);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    proxy.#server.once("error", reject);
    proxy.#server.listen(path, resolve);
    await within(promise, "proxy of a unix socket");
    return proxy;
  }

  /** Streams that are open now. */
  get open(): number {
    return this.#sockets.size / 2;
  }

  /** Breaks every stream, in the middle of whatever it carries, and takes no other. */
  cut(): void {
    this.#isCut = true;
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Takes streams again. */
  mend(): void {
    this.#isCut = false;
  }

  [Symbol.dispose](): void {
    this.cut();
    this.#server.close();
    rmSync(this.#path, { force: true });
    rmSync(this.#behind, { force: true });
  }

  #take(client: Socket): void {
    if (this.#isCut) {
      client.destroy();
      return;
    }
    const server = connect(this.#behind);
    const delayMs = this.#delayOf(this.#streams++);
    for (const [from, to] of [
      [client, server],
      [server, client],
    ] as const) {
      this.#sockets.add(from);
      from.on("error", () => to.destroy());
      from.on("close", () => {
        this.#sockets.delete(from);
        to.destroy();
      });
    }
    server.pipe(client);
    if (delayMs === 0) client.pipe(server);
    else client.on("data", (bytes) => void setTimeout(() => server.write(bytes), delayMs));
  }
}
