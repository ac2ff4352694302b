import { availableParallelism } from "node:os";
import { bytesHolding } from "@starling/core/broker/holdings.ts";
import { IpcServer } from "@starling/core/broker/ipc/server.ts";
import { Node } from "@starling/core/broker/node.ts";
import { tlsMaterial } from "../certificates/material.ts";
import { ConfigError } from "../config/fault.ts";
import { variables } from "../config/variables.ts";
import { controlAnswers } from "../node/control.ts";
import { Directory } from "../node/directory.ts";
import { requireFreePorts } from "../node/free-ports.ts";
import { instanceCount } from "../node/instances.ts";
import { joinNodes, linkRenewal, watchLinks } from "../node/mesh-link.ts";
import { nodeHooks } from "../node/node-hooks.ts";
import { nodeName } from "../node/node-name.ts";
import { nodeOptions } from "../node/node-options.ts";
import { isAbandoned, nodeSocketPath } from "../node/node-socket.ts";
import { forOwnWorkers } from "../node/own-workers.ts";
import { sharedCountsOf } from "../node/shared-counts.ts";
import { spawnWorkers } from "../node/spawn.ts";
import type { NodeStatus } from "../node/status.ts";
import type { Listening, WorkerEnd } from "../node/worker-process.ts";
import { workerTiming } from "../node/worker-timing.ts";
import { StartFailed, Workers } from "../node/workers.ts";
import { QuicService } from "../quic/quic-service.ts";
import { listenOnSocket } from "../runtime/ipc-stream.ts";
import { afterTurn, systemClock, systemRandom } from "../runtime/system.ts";
import { announce, logListening } from "./announce.ts";
import { CommandError, exitCodes } from "./exit-codes.ts";
import { listenError } from "./listen-names.ts";
import type { Preparation } from "./preparation.ts";
import { restartWorkers } from "./restart-workers.ts";
import { version } from "./version.ts";

/** How long the workers of a supervisor that died may take to stop listening. */
const ABANDONED_PORTS_MS = 5_000;
const LOOK_AGAIN_MS = 100;

/** Serves with several processes, until it is told to stop. */
export async function supervise(preparation: Preparation): Promise<void> {
  const { context, config, log, stopped, lastWishes, own } = preparation;
  const clock = systemClock;
  const startedAt = clock.now();
  // Told to the workers by their environment.
  nodeName();
  // Workers that started together would each make a development certificate of their own.
  await tlsMaterial(config, clock, "start");
  await waitForPorts(preparation);

  const { hooks, observer, join: joinHooks } = nodeHooks(config, log);
  const node = new Node<Uint8Array>(
    { ...nodeOptions(config), clock, random: systemRandom, observer },
    bytesHolding,
  );
  const directory = new Directory(config, () => [...workers.status(), ...quic.status()]);
  const others = joinNodes(config, node, { log, about: () => directory.about() });
  if (others !== undefined) {
    directory.use(others.presence);
    joinHooks(others.presence);
  }
  const renewLink = linkRenewal(others?.presence, config);
  const server = new IpcServer({
    node: forOwnWorkers(node, (worker) => workers.has(worker) || quic.has(worker)),
    clock,
    random: systemRandom,
    afterTurn,
    log,
    leaseMs: config.presenceLeaseMs,
    answer: controlAnswers({
      status: () => ({
        ...statusOf(workers, quic, listening, clock.now() - startedAt),
        ...(others === undefined ? {} : { nats: others.presence.linkReport() }),
        history: sharedCountsOf(node, hooks, others).history,
      }),
      nodes: () => directory.list(),
      mesh: () => directory.report(),
      counts: () => sharedCountsOf(node, hooks, others),
      restart: (progress) =>
        restartWorkers(preparation, { workers, quic, hooks, directory, renewLink }, progress),
    }),
  });
  const watch = watchLinks(others?.presence, {
    quic: () => quic.status(),
    changed: (reason) => workers.impede(reason),
  });
  const lost = Promise.withResolvers<WorkerEnd | undefined>();
  const socketPath = nodeSocketPath(config.stateDir);
  const workers = new Workers({
    count: instanceCount(config.clusterInstances, availableParallelism()),
    socket: socketPath,
    spawn: spawnWorkers({
      logLine: config.logsDir === undefined ? undefined : (line) => log.line(line),
      errorLine: context.err,
    }),
    timing: workerTiming(config),
    clock,
    random: systemRandom,
    log,
    gone: (worker) => server.forget(worker),
    lost: lost.resolve,
  });
  const quic = new QuicService({
    config,
    version,
    environment: context.environment,
    socket: socketPath,
    timing: workerTiming(config),
    clock,
    random: systemRandom,
    log,
    nextId: () => workers.nextId(),
    gone: (worker) => server.forget(worker),
  });
  let listening: Listening | undefined;
  const socket = await listenOnSocket(socketPath, server.accept).catch((error: unknown) => {
    throw socketFault(error, preparation);
  });
  lastWishes.push(() => {
    quic.kill();
    workers.kill();
    socket.stop();
  });
  try {
    listening = await firstOf(workers.start(), stopped);
    if (listening !== undefined) {
      own();
      logListening(log, listening);
      const done = quic.start(listening);
      await announce(preparation, listening, { done, isServing: () => quic.isServing });
    }
    const outcome = await Promise.race([stopped, lost.promise.then(describeLoss)]);
    if (outcome instanceof Error) {
      // Its clients are gone, which hooks are to hear of all the same.
      await hooks.drain();
      throw outcome;
    }
    log.info({ signal: outcome }, "stopping");
    directory.drain();
    await Promise.all([workers.stop(), quic.stop()]);
    // Who says that the node ends has nothing to say of it any more.
    await hooks.drain();
    await others?.close();
    log.info({}, "stopped");
  } catch (error) {
    workers.kill();
    throw error instanceof StartFailed ? startFault(error) : error;
  } finally {
    watch?.stop();
    quic.kill();
    server.close();
    socket.stop();
  }
}

/** What the first promise says, or undefined once the second has settled. */
function firstOf<T>(promise: Promise<T>, end: Promise<unknown>): Promise<T | undefined> {
  return Promise.race([promise, end.then(() => undefined)]);
}

/** Workers that a dead supervisor left behind stop listening at once, but not before they notice. */
async function waitForPorts({ config, settings, log }: Preparation): Promise<void> {
  const abandoned = await isAbandoned(nodeSocketPath(config.stateDir));
  const deadline = systemClock.now() + (abandoned ? ABANDONED_PORTS_MS : 0);
  for (let tries = 0; ; tries++) {
    try {
      await requireFreePorts(config);
      return;
    } catch (error) {
      if (systemClock.now() >= deadline) throw listenError(error, config, settings);
      if (tries === 0) log.info({}, "waiting for the workers of a supervisor that died");
      await new Promise<void>((resume) => void systemClock.setTimeout(resume, LOOK_AGAIN_MS));
    }
  }
}

function socketFault(error: unknown, { settings }: Preparation): unknown {
  const message = error instanceof Error ? error.message : String(error);
  const written = settings.written("stateDir");
  return new ConfigError([
    { variable: written?.name ?? variables.stateDir.name, value: written?.text, message },
  ]);
}

function startFault({ message, end }: StartFailed): CommandError {
  return new CommandError(end?.exitCode || exitCodes.software, message);
}

function describeLoss(end: WorkerEnd | undefined): CommandError {
  const code = end?.exitCode || exitCodes.software;
  return new CommandError(code, "every worker crashes again and again: see the log for the cause");
}

function statusOf(
  workers: Workers,
  quic: QuicService,
  listening: Listening | undefined,
  uptimeMs: number,
): Omit<NodeStatus, "history"> {
  return {
    version,
    pid: process.pid,
    uptimeMs,
    cluster: true,
    restarting: workers.isRestarting,
    memoryBytes: process.memoryUsage.rss(),
    publisherUrl: listening?.publisherUrl ?? "",
    subscriberUrl: listening?.subscriberUrl ?? "",
    workers: [...workers.status(), ...quic.status()],
  };
}
