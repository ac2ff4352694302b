import type {
  Listening,
  SpawnWorker,
  WorkerCommand,
  WorkerProcess,
  WorkerProcessEvents,
  WorkerReport,
  WorkerSeat,
} from "../worker-process.ts";

/** What a worker says that has bound those ports. */
export function listeningOn(publisherPort: number, subscriberPort: number): Listening {
  return {
    publisherPort,
    subscriberPort,
    publisherUrl: `https://127.0.0.1:${publisherPort}`,
    subscriberUrl: `https://127.0.0.1:${subscriberPort}`,
  };
}

/** A process that does what a test says. */
export class FakeProcess implements WorkerProcess {
  readonly pid: number;
  readonly seat: WorkerSeat;
  readonly commands: WorkerCommand[] = [];
  wasKilled = false;
  #events: WorkerProcessEvents | undefined;

  constructor(pid: number, seat: WorkerSeat, events: WorkerProcessEvents) {
    this.pid = pid;
    this.seat = seat;
    this.#events = events;
  }

  get isAlive(): boolean {
    return this.#events !== undefined;
  }

  send(command: WorkerCommand): void {
    this.commands.push(command);
  }

  kill(): void {
    this.wasKilled = true;
    this.end(null, "SIGKILL");
  }

  /** Says that it serves; the first binds ports of its own. */
  ready(listening: Listening = this.seat.listening ?? listeningOn(2053, 8443)): void {
    this.#events?.message({ type: "ready", listening });
  }

  /** Says that its clients are gone. */
  drained(): void {
    this.#events?.message({ type: "drained" });
  }

  report(report: WorkerReport): void {
    this.#events?.message({ type: "report", ...report });
  }

  end(exitCode: number | null, signal: string | null = null, lastWords = ""): void {
    const events = this.#events;
    this.#events = undefined;
    events?.ended({ exitCode, signal, lastWords });
  }
}

/** Starts fake processes, and keeps them in the order of their starts. */
export class FakeProcesses {
  readonly all: FakeProcess[] = [];

  readonly spawn: SpawnWorker = (seat, events) => {
    const started = new FakeProcess(1000 + this.all.length, seat, events);
    this.all.push(started);
    return started;
  };

  get alive(): readonly FakeProcess[] {
    return this.all.filter((each) => each.isAlive);
  }

  /** The latest process of a slot. */
  of(slot: number): FakeProcess {
    const found = this.all.findLast((each) => each.seat.slot === slot);
    if (found === undefined) throw new Error(`slot ${slot} had no process`);
    return found;
  }
}
