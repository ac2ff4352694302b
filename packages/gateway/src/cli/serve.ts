import { publicationHolding } from "@starling/core/broker/holdings.ts";
import { encodedNode } from "@starling/core/broker/ipc/encoded-node.ts";
import { IpcServer } from "@starling/core/broker/ipc/server.ts";
import { LocalBroker } from "@starling/core/broker/local.ts";
import { Node } from "@starling/core/broker/node.ts";
import type { Publication } from "@starling/core/hub/publication.ts";
import { type RunningGateway, startGateway } from "../main.ts";
import { type ControlledNode, controlAnswers } from "../node/control.ts";
import { Directory } from "../node/directory.ts";
import { joinNodes, watchLinks } from "../node/mesh-link.ts";
import { nodeHooks } from "../node/node-hooks.ts";
import { nodeOptions } from "../node/node-options.ts";
import { nodeSocketPath } from "../node/node-socket.ts";
import { forOwnWorkers } from "../node/own-workers.ts";
import { sharedCountsOf } from "../node/shared-counts.ts";
import type { NodeStatus, WorkerStatus } from "../node/status.ts";
import { firstWorkerId, workerTiming } from "../node/worker-timing.ts";
import { Health } from "../ops/health.ts";
import { QuicService } from "../quic/quic-service.ts";
import { listenOnSocket, type SocketListener } from "../runtime/ipc-stream.ts";
import { afterTurn, systemClock, systemRandom } from "../runtime/system.ts";
import { announce, logListening, type WebTransportStart } from "./announce.ts";
import { exitCodes } from "./exit-codes.ts";
import { listenError } from "./listen-names.ts";
import type { Preparation } from "./preparation.ts";
import { version } from "./version.ts";

/** The worker in the process of its node. */
const ALONE = 0;

/** Serves in this one process, and one for WebTransport, until it is told to stop. */
export async function serve(preparation: Preparation): Promise<void> {
  const { config, settings, log, stopped, own } = preparation;
  const health = new Health();
  const { hooks, observer, join: joinHooks } = nodeHooks(config, log);
  const node = new Node<Publication>(
    { ...nodeOptions(config), clock: systemClock, random: systemRandom, observer },
    publicationHolding,
  );
  let workers = (): readonly WorkerStatus[] => [];
  const directory = new Directory(config, () => workers());
  const others = joinNodes(config, node, { log, about: () => directory.about() });
  if (others !== undefined) {
    directory.use(others.presence);
    joinHooks(others.presence);
  }
  const counts = () => sharedCountsOf(node, hooks, others);
  const gateway = await startGateway(config, {
    log,
    health,
    shared: false,
    listening: undefined,
    join: async (handlers) => ({
      broker: new LocalBroker(node, ALONE, handlers, { isAlone: true }),
      sharedCounts: counts,
      nodes: () => directory.list(),
      close: async () => undefined,
    }),
  }).catch((error: unknown) => {
    throw listenError(error, config, settings);
  });
  logListening(log, gateway.listening);
  const startedAt = systemClock.now();
  const ownWorker = () => gatewayStatus(gateway, systemClock.now() - startedAt);
  workers = () => [ownWorker()];
  const status = (): NodeStatus => ({
    ...statusOf(gateway, systemClock.now() - startedAt),
    history: counts().history,
    workers: workers(),
    ...(others === undefined ? {} : { nats: others.presence.linkReport() }),
  });
  const side = await serveSocket(preparation, node, { status, counts, directory });
  if (side !== undefined) workers = () => [ownWorker(), ...side.quic.status()];
  const watch = watchLinks(others?.presence, {
    quic: () => side?.quic.status() ?? [],
    changed: (reason) => health.set("node", reason),
  });
  try {
    own();
    await announce(preparation, gateway.listening, side && startedQuic(side.quic, gateway));
    const signal = await stopped;
    log.info({ signal }, "stopping");
    directory.drain();
    await Promise.all([gateway.drain("stop"), side?.quic.stop()]);
    await gateway.end();
    // Who says that the node ends has nothing to say of it any more.
    await hooks.drain();
    await others?.close();
    log.info({}, "stopped");
  } finally {
    watch?.stop();
    side?.quic.kill();
    side?.socket.stop();
  }
}

function startedQuic(quic: QuicService, { listening }: RunningGateway): WebTransportStart {
  return { done: quic.start(listening), isServing: () => quic.isServing };
}

/** What comes over the socket of the node. */
interface SocketSide {
  readonly socket: SocketListener;
  readonly quic: QuicService;
}

/** What is asked of the node over its socket. */
interface ServedNode extends Pick<ControlledNode, "status" | "counts"> {
  readonly directory: Directory;
}

/** Answers `starling status`, and lets the quic worker join; a gateway that cannot still serves. */
async function serveSocket(
  { context, config, log, lastWishes }: Preparation,
  node: Node<Publication>,
  { status, counts, directory }: ServedNode,
): Promise<SocketSide | undefined> {
  const path = nodeSocketPath(config.stateDir);
  let lastId = firstWorkerId(systemRandom);
  const quic = new QuicService({
    config,
    version,
    environment: context.environment,
    socket: path,
    timing: workerTiming(config),
    clock: systemClock,
    random: systemRandom,
    log,
    nextId: () => lastId++,
    gone: (worker) => server.forget(worker),
  });
  const server = new IpcServer({
    node: forOwnWorkers(encodedNode(node), (worker) => quic.has(worker)),
    clock: systemClock,
    random: systemRandom,
    afterTurn,
    log,
    leaseMs: config.presenceLeaseMs,
    answer: controlAnswers({
      status,
      counts,
      nodes: () => directory.list(),
      mesh: () => directory.report(),
      restart: async () => ({
        ok: false,
        exitCode: exitCodes.unavailable,
        message:
          "CLUSTER_MODE is 0: there is one process, which cannot be replaced while it serves",
      }),
    }),
  });
  try {
    const socket = await listenOnSocket(path, server.accept);
    lastWishes.push(() => {
      quic.kill();
      socket.stop();
    });
    return { socket, quic };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    log.warn(
      { reason },
      "starling status will not find this process, and WebTransport is off: give it a STATE_DIR of its own",
    );
    return undefined;
  }
}

function statusOf(
  { listening, report }: RunningGateway,
  uptimeMs: number,
): Omit<NodeStatus, "history" | "workers"> {
  const { publisherUrl, subscriberUrl } = listening;
  return {
    version,
    pid: process.pid,
    uptimeMs,
    cluster: false,
    restarting: false,
    memoryBytes: report().memoryBytes,
    publisherUrl,
    subscriberUrl,
  };
}

function gatewayStatus({ report }: RunningGateway, uptimeMs: number): WorkerStatus {
  const { pid } = process;
  const place = { kind: "gateway", slot: 0, worker: ALONE, pid } as const;
  return { ...place, ...report(), state: "ready", uptimeMs, restarts: 0 };
}
