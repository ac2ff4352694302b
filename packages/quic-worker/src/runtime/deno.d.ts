/** What the worker uses of Deno beside QUIC; Deno's own declarations clash with those of Bun. */
declare namespace Deno {
  interface UnixConn {
    read(into: Uint8Array): Promise<number | null>;
    write(bytes: Uint8Array): Promise<number>;
    close(): void;
  }

  function connect(options: { transport: "unix"; path: string }): Promise<UnixConn>;
  function exit(code?: number): never;
  function memoryUsage(): { readonly rss: number };
  function unrefTimer(id: number): void;
  function addSignalListener(signal: "SIGINT" | "SIGTERM", listener: () => void): void;
  const version: { readonly deno: string };
  namespace errors {
    class AddrInUse extends Error {}
  }
  const stdin: { readonly readable: ReadableStream<Uint8Array<ArrayBuffer>> };
  const stdout: { writeSync(bytes: Uint8Array): number };
}

declare module "node:process" {
  /** Microseconds since the start. */
  export function cpuUsage(): { readonly user: number; readonly system: number };
}

declare function setImmediate(callback: () => void): unknown;
