import { IpcBroker } from "@starling/core/broker/ipc/client.ts";
import type { ListedNode } from "@starling/core/mesh-directory/listed-nodes.ts";
import { configOf } from "../config/load.ts";
import { startGateway } from "../main.ts";
import { ControlQuestion } from "../node/control.ts";
import type { DrainCause } from "../node/drain.ts";
import { ratesOf } from "../node/node-options.ts";
import { SupervisorChannel } from "../node/supervisor-channel.ts";
import { seatOf } from "../node/worker-environment.ts";
import { Health } from "../ops/health.ts";
import { createLog } from "../ops/log.ts";
import type { SharedCounts } from "../publish/node-stats.ts";
import { openSocket } from "../runtime/ipc-stream.ts";
import { afterTurn, systemClock, systemRandom } from "../runtime/system.ts";
import { type CommandContext, settingsOf } from "./context.ts";
import { onCrash } from "./crash.ts";
import { CommandError, exitCodes } from "./exit-codes.ts";
import { listenError } from "./listen-names.ts";
import { stopRequested } from "./stop-requested.ts";

/** How often a worker tells of itself, unless the lease is short. */
const REPORT_MS = 1_000;
/** Reports in the time of a lease, at least. */
const REPORTS = 5;

/** `starling worker`: one process of a cluster; the supervisor runs it. */
export async function runWorker(context: CommandContext): Promise<void> {
  const seat = seatOf(context.environment);
  if (seat === undefined || process.send === undefined) {
    throw new CommandError(exitCodes.usage, "workers are started by starling start");
  }
  const clock = systemClock;
  const health = new Health();
  const draining = Promise.withResolvers<DrainCause>();
  const ending = Promise.withResolvers<void>();
  const channel = new SupervisorChannel({
    command(command) {
      if (command.type === "degraded") health.set("node", command.reason);
      else if (command.type === "end") ending.resolve();
      else draining.resolve(command.type);
    },
    orphaned() {
      draining.resolve("orphaned");
      ending.resolve();
    },
  });
  const settings = settingsOf(context);
  const config = configOf(settings, { folder: context.folder, now: clock.now() });
  // The supervisor writes the files, so that no two processes rotate them.
  const log = createLog({
    level: config.logLevel,
    logsDir: undefined,
    fields: { worker: seat.slot },
  });
  onCrash(async (error) => {
    log.error({ error }, "uncaught error");
    await log.close();
  });
  const signalled = stopRequested(clock, log, () => undefined);
  void signalled.then(() => draining.resolve("stop"));

  try {
    const gateway = await startGateway(config, {
      log,
      health,
      shared: true,
      listening: seat.listening,
      join: async (handlers) => {
        const broker = await IpcBroker.connect({
          open: openSocket(seat.socket),
          worker: seat.worker,
          handler: handlers,
          clock,
          random: systemRandom,
          afterTurn,
          log,
          apps: config.apps,
          rates: ratesOf(config),
          leaseMs: config.presenceLeaseMs,
          linkChanged: (isUp) =>
            health.set("link", isUp ? undefined : "the link to the node is down"),
        });
        return {
          broker,
          sharedCounts: async () =>
            (await broker.ask(ControlQuestion.counts, null)) as SharedCounts,
          nodes: async () =>
            (await broker.ask(ControlQuestion.nodes, null)) as readonly ListedNode[],
          close: () => broker.close(),
        };
      },
    }).catch((error: unknown) => {
      throw listenError(error, config, settings);
    });
    const report = () => {
      channel.report(gateway.report());
      clock.setTimeout(report, Math.min(REPORT_MS, config.presenceLeaseMs / REPORTS));
    };
    channel.send({ type: "ready", listening: gateway.listening });
    clock.setTimeout(report, 0);
    const cause = await draining.promise;
    log.info({ cause }, "draining");
    await gateway.drain(cause);
    log.info({}, "drained");
    channel.send({ type: "drained" });
    await ending.promise;
    await gateway.end();
  } finally {
    await log.close();
  }
}
