import { IpcServer } from "@starling/core/broker/ipc/server.ts";
import { WireError } from "@starling/core/broker/ipc/wire-error.ts";
import { LocalBroker } from "@starling/core/broker/local.ts";
import { Node } from "@starling/core/broker/node.ts";
import type { Publication } from "@starling/core/hub/publication.ts";
import { type RunningGateway, startGateway } from "../main.ts";
import { controlAnswers } from "../node/control.ts";
import { nodeOptions } from "../node/node-options.ts";
import { nodeSocketPath } from "../node/node-socket.ts";
import { sharedCountsOf } from "../node/shared-counts.ts";
import type { NodeStatus } from "../node/status.ts";
import { Health } from "../ops/health.ts";
import type { SharedCounts } from "../publish/node-stats.ts";
import { listenOnSocket, type SocketListener } from "../runtime/ipc-stream.ts";
import { afterTurn, systemClock, systemRandom } from "../runtime/system.ts";
import { announce, logListening } from "./announce.ts";
import { exitCodes } from "./exit-codes.ts";
import { listenError } from "./listen-names.ts";
import type { Preparation } from "./preparation.ts";
import { version } from "./version.ts";

/** The only worker, in the process of its node. */
const ALONE = 0;

/** Serves in this one process, until it is told to stop. */
export async function serve(preparation: Preparation): Promise<void> {
  const { context, config, settings, log, stopped, own } = preparation;
  const health = new Health();
  const node = new Node<Publication>({ ...nodeOptions(config), clock: systemClock });
  const counts = () => sharedCountsOf(node);
  const gateway = await startGateway(config, {
    log,
    health,
    shared: false,
    listening: undefined,
    join: async (handlers) => ({
      broker: new LocalBroker(node, ALONE, handlers, { isAlone: true }),
      sharedCounts: counts,
      close: async () => undefined,
    }),
  }).catch((error: unknown) => {
    throw listenError(error, config, settings);
  });
  logListening(log, gateway.listening);
  const control = await serveControl(preparation, gateway, counts);
  try {
    own();
    await announce(context, config, log, gateway.listening, stopped);
    const signal = await stopped;
    log.info({ signal }, "stopping");
    await gateway.drain("stop");
    await gateway.end();
    log.info({}, "stopped");
  } finally {
    control?.stop();
  }
}

/** Answers `starling status`; a gateway that cannot still serves. */
async function serveControl(
  { config, log, lastWishes }: Preparation,
  gateway: RunningGateway,
  counts: () => SharedCounts,
): Promise<SocketListener | undefined> {
  const startedAt = systemClock.now();
  const server = new IpcServer({
    node: {
      join() {
        throw new WireError("there are no other workers");
      },
    },
    clock: systemClock,
    random: systemRandom,
    afterTurn,
    log,
    answer: controlAnswers({
      status: () => statusOf(gateway, systemClock.now() - startedAt),
      counts,
      restart: async () => ({
        ok: false,
        exitCode: exitCodes.unavailable,
        message:
          "CLUSTER_MODE is 0: there is one process, which cannot be replaced while it serves",
      }),
    }),
  });
  try {
    const socket = await listenOnSocket(nodeSocketPath(config.stateDir), server.accept);
    lastWishes.push(() => socket.stop());
    return socket;
  } catch (error) {
    log.warn({ error }, "starling status will not find this process");
    return undefined;
  }
}

function statusOf({ listening, report }: RunningGateway, uptimeMs: number): NodeStatus {
  const { connections, memoryBytes } = report();
  const { publisherUrl, subscriberUrl } = listening;
  const { pid } = process;
  return {
    version,
    pid,
    uptimeMs,
    cluster: false,
    restarting: false,
    memoryBytes,
    publisherUrl,
    subscriberUrl,
    workers: [
      {
        slot: 0,
        worker: ALONE,
        pid,
        state: "ready",
        connections,
        memoryBytes,
        uptimeMs,
        restarts: 0,
      },
    ],
  };
}
