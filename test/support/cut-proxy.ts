import { connect, createServer, type Server, type Socket } from "node:net";

/** A line to a server that tests can cut. */
export class CutProxy implements Disposable {
  readonly #server: Server;
  readonly #lines = new Set<{ readonly client: Socket; readonly server: Socket }>();
  #isParted = false;

  private constructor(server: Server) {
    this.#server = server;
  }

  /** `port` is that of the server, on this machine. */
  static async open(port: number, host = "localhost"): Promise<CutProxy> {
    const server = createServer();
    const proxy = new CutProxy(server);
    server.on("connection", (client) => {
      if (proxy.#isParted) client.destroy();
      else proxy.#join(client, connect(port, host));
    });
    await new Promise<void>((resolve) => server.listen(0, host, resolve));
    return proxy;
  }

  get port(): number {
    const address = this.#server.address();
    if (address === null || typeof address === "string") throw new Error("the proxy is closed");
    return address.port;
  }

  /** Breaks every connection, on both sides. */
  cut(): void {
    for (const { client, server } of this.#lines) {
      client.destroy();
      server.destroy();
    }
  }

  /** Breaks every connection, and takes none until `heal`. */
  part(): void {
    this.#isParted = true;
    this.cut();
  }

  heal(): void {
    this.#isParted = false;
  }

  /** Breaks every connection for the client, while the server hears nothing of it. */
  cutUnnoticed(): void {
    for (const { client, server } of this.#lines) {
      client.unpipe(server);
      server.unpipe(client);
      server.resume();
      client.destroy();
    }
  }

  [Symbol.dispose](): void {
    this.#server.close();
    this.cut();
  }

  #join(client: Socket, server: Socket): void {
    const line = { client, server };
    this.#lines.add(line);
    // Ends are passed on by hand, so that one side can be cut alone.
    client.pipe(server, { end: false });
    server.pipe(client, { end: false });
    for (const side of [client, server]) side.on("error", () => {});
    client.on("end", () => server.end());
    server.on("close", () => {
      client.destroy();
      this.#lines.delete(line);
    });
  }
}
