import type { Server } from "bun";

/** Ports in a row whose UDP twin is taken, after which another is not likely to be better. */
const MAX_TRIES = 20;

/**
 * Listens on a TCP port that the system chooses, and whose UDP port of the same number is free as far
 * as can be told: QUIC gets that one later. After 20 tries the last port is as good as any.
 *
 * @param listen binds a port that the system chooses
 */
export async function listenWithUdpTwin<T>(
  hostname: string,
  listen: () => Server<T>,
): Promise<Server<T>> {
  // They stay bound until the end, else the system might choose them again.
  const rejected: Server<T>[] = [];
  try {
    let server = listen();
    while (rejected.length < MAX_TRIES - 1 && !(await isUdpFree(hostname, server.port))) {
      rejected.push(server);
      server = listen();
    }
    return server;
  } finally {
    await Promise.all(rejected.map((each) => each.stop(true)));
  }
}

/** Whether nobody has the port; a fault of another kind is for the quic worker to tell. */
async function isUdpFree(hostname: string, port: number | undefined): Promise<boolean> {
  try {
    const probe = await Bun.udpSocket({ hostname, ...(port === undefined ? {} : { port }) });
    probe.close();
    return true;
  } catch (error) {
    return !(error instanceof Error && "code" in error && error.code === "EADDRINUSE");
  }
}
