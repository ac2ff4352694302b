import { Command, CommanderError } from "commander";
import { ConfigError } from "../config/fault.ts";
import { checkConfig } from "./check-config.ts";
import type { CommandContext } from "./context.ts";
import { CommandError, exitCodes } from "./exit-codes.ts";
import { showMesh } from "./mesh.ts";
import { type PublishOptions, publish } from "./publish.ts";
import { restart } from "./restart.ts";
import { start } from "./start.ts";
import { type StatusOptions, showStatus } from "./status.ts";
import { printToken } from "./token.ts";
import { version } from "./version.ts";

const CODES = `
Exit codes:
  0   success
  64  the command line is wrong
  65  the data is not JSON, or the gateway cannot take it
  69  nothing answers or runs, or an address is in use
  70  a fault of the program
  75  the gateway is too busy; try later
  77  refused, by the gateway or by the system
  78  the configuration has faults`;

/** Runs the command line and answers the exit code; never throws. */
export async function runCommand(
  args: readonly string[],
  context: CommandContext,
): Promise<number> {
  try {
    await program(context).parseAsync([...args], { from: "user" });
    return exitCodes.ok;
  } catch (error) {
    // Commander has written its message already.
    if (error instanceof CommanderError)
      return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
    if (error instanceof ConfigError) {
      context.err(`starling: ${error.message}\n`);
      return exitCodes.config;
    }
    if (error instanceof CommandError) {
      context.err(`starling: ${error.message}\n`);
      return error.exitCode;
    }
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    context.err(`starling: ${text}\n`);
    return exitCodes.software;
  }
}

function program(context: CommandContext): Command {
  const starling = new Command("starling")
    .description("A self-hosted real-time gateway: publish over HTTPS, receive over Socket.IO.")
    .version(version)
    .exitOverride()
    .configureOutput({ writeOut: context.out, writeErr: context.err })
    .showHelpAfterError("(starling --help says more)")
    .addHelpText(
      "after",
      `
Settings come from the environment and from .env in this folder.

Examples:
  starling start
  starling publish demo:hello '{"text":"Hello"}' --event message
${CODES}`,
    );

  starling
    .command("start")
    .description("serve publishers and subscribers until SIGINT or SIGTERM")
    .addHelpText(
      "after",
      `
The first signal stops gracefully, a second one exits at once. The process id is kept in
starling.pid in STATE_DIR. With CLUSTER_MODE=1 several processes serve on the same ports.

Examples:
  starling start
  CLUSTER_MODE=1 starling start
  CONSUMER_PORT=9443 LOG_LEVEL=debug starling start`,
    )
    .action(() => start(context));

  starling.command("worker", { hidden: true }).action(async () => {
    // Only the supervisor asks for it, and loading it takes time.
    const { runWorker } = await import("./worker.ts");
    await runWorker(context);
  });

  starling
    .command("restart")
    .description("replace the processes of a running cluster one by one")
    .addHelpText(
      "after",
      `
Each new process serves before the old one lets its clients go, and reads configuration and
certificate anew. Ports and folders cannot change. Asks the Starling that runs with the same
STATE_DIR; exits with 69 where there is none, or it runs without CLUSTER_MODE=1, or NATS does not
let it in with new settings, with 75 where a restart is under way, and with 70 or 78 where a new process does not come to serve: the old one
then stays.

Example:
  starling restart`,
    )
    .action(() => restart(context));

  starling
    .command("status")
    .description("show the processes of the Starling that runs, and their connections")
    .option("--json", "print one line of JSON")
    .addHelpText(
      "after",
      `
Asks the Starling that runs with the same STATE_DIR; exits with 69 where there is none.

Examples:
  starling status
  starling status --json`,
    )
    .action((options: StatusOptions) => showStatus(context, options));

  starling
    .command("mesh")
    .description("show the nodes of the mesh, as the Starling that runs sees them")
    .option("--json", "print one line of JSON")
    .addHelpText(
      "after",
      `
RTT is the time over NATS from this node to the other and back, - where no answer came within two
seconds. LAG is how far the slowest connection of a node to NATS is behind. Asks the Starling that
runs with the same STATE_DIR; exits with 69 where there is none.

Examples:
  starling mesh
  starling mesh --json`,
    )
    .action((options: StatusOptions) => showMesh(context, options));

  starling
    .command("check-config")
    .description("print the effective configuration, or everything that is wrong with it")
    .addHelpText(
      "after",
      `
Secrets are masked. Exits with 78 where there are faults.

Examples:
  starling check-config
  NODE_ENV=production starling check-config`,
    )
    .action(() => checkConfig(context));

  starling
    .command("token")
    .description("print the rotating token that subscribers need now")
    .addHelpText(
      "after",
      `
Needs AUTH_TOKEN_SECRET.

Example:
  TOKEN=$(starling token)`,
    )
    .action(() => printToken(context));

  starling
    .command("publish")
    .description("publish one event and print the answer")
    .argument("<channel>", "channel to publish to")
    .argument("<json>", "data of the event, as JSON")
    .option("--event <name>", "event name that subscribers listen for")
    .option("--app <name>", "app that the channel belongs to")
    .option("--url <url>", "publisher port (default: https://localhost and its port)")
    .option("--api-key <key>", "API key (default: the first of API_KEYS)")
    .option("--cert <file>", "client certificate, PEM; for VERIFY_ORIGIN=1")
    .option("--key <file>", "key of the client certificate, PEM")
    .option("--insecure", "trust any certificate")
    .addHelpText(
      "after",
      `
The certificate of PUB_KEY_PATH is trusted by itself, and the development certificate in STATE_DIR
where the address is this machine.

Examples:
  starling publish demo:hello '{"text":"Hello"}' --event message
  starling publish news '"plain text"' --url https://push.example.org:2053
  starling publish counter -- -1
${CODES}`,
    )
    .action((channel: string, json: string, options: PublishOptions) =>
      publish(context, channel, json, options),
    );

  return starling;
}
