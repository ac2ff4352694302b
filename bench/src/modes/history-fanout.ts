import { LoadClient } from "../load/client.ts";
import type { Published } from "../load/protocol.ts";
import { busyMicros } from "../measure/busy.ts";
import { rotated, spread } from "../measure/statistics.ts";
import { type Histories, type HistoryPeer, roomOf } from "../peers/starling-history.ts";
import { CONNECT_TIMEOUT_MS, CONNECT_WINDOW } from "./connecting.ts";
import { complete, type TickOptions } from "./fanout.ts";
import type { Sample, Trial } from "./mode.ts";

const DELIVERY_TIMEOUT_MS = 20_000;
const WARM_UP_TICKS = 100;
/** Ticks of one channel until it is the turn of the next: fewer than a disturbance of the machine lasts. */
const TURN_TICKS = 8;

/** What the subscribers of one room have cost, turn by turn. */
export interface Turns {
  readonly name: Histories;
  /** CPU microseconds for one delivery. */
  readonly cpuMicros: readonly number[];
  readonly bytes: number;
}

interface Room {
  readonly name: Histories;
  readonly channel: string;
  readonly load: LoadClient;
}

/** The same fan-out in rooms of one server that keep nothing, keep it, and let clients recover it, by turns. */
export async function historyFanout(
  trial: Trial<HistoryPeer>,
  options: TickOptions,
): Promise<Sample[]> {
  const rooms: Room[] = [];
  try {
    for (const name of ["without", "kept", "with"] as const) {
      const load = await LoadClient.start();
      const channel = roomOf(name);
      rooms.push({ name, channel, load });
      await load.connect({
        ...{ peer: trial.peer.name, url: trial.server.urls.subscriber.href },
        ...{ count: options.subscribers, user: channel },
        ...{ window: CONNECT_WINDOW, timeoutMs: CONNECT_TIMEOUT_MS },
      });
    }
    return compared(await takeTurns(trial, rooms, options));
  } finally {
    for (const { load } of rooms) await load.end();
  }
}

async function takeTurns(
  { peer, server }: Trial<HistoryPeer>,
  rooms: readonly Room[],
  options: TickOptions,
): Promise<Turns[]> {
  const publish = async ({ channel, load }: Room, ticks: number): Promise<Published> => {
    const published = await load.publish({
      ...{ peer: peer.name, url: server.urls.publisher.href, channel, ticks },
      ...{ tickMs: options.tickMs, perTick: options.perTick },
      ...{ payloadBytes: options.payloadBytes, timeoutMs: DELIVERY_TIMEOUT_MS },
    });
    complete(published, ticks, options);
    return published;
  };
  for (const room of rooms) await publish(room, WARM_UP_TICKS);
  const turns = rooms.map(({ name }) => ({ name, cpuMicros: [] as number[], bytes: 0 }));
  const places = rooms.map((room, index) => ({ room, own: turns[index] }));
  for (let turn = 0; turn * TURN_TICKS < options.ticks; turn++) {
    for (const { room, own } of rotated(places, turn)) {
      const before = busyMicros(server.pid);
      const { deliveries, bytes } = await publish(room, TURN_TICKS);
      own?.cpuMicros.push((busyMicros(server.pid) - before) / deliveries);
      if (own !== undefined) own.bytes = bytes / deliveries;
    }
  }
  for (const { load } of rooms) {
    const { closed } = await load.count();
    if (closed > 0) throw new Error(`${closed} subscribers were disconnected`);
  }
  return turns;
}

/** Each with what it costs as a multiple of the first in the same turn: the median, and the quartiles. */
export function compared(all: readonly Turns[]): Sample[] {
  const [first] = all;
  return all.map(({ name, cpuMicros, bytes }) => {
    const values = { cpuMicros: spread(cpuMicros).median, bytes };
    if (first === undefined || name === first.name) return { series: name, values };
    const ratios = cpuMicros.map((micros, turn) => micros / (first.cpuMicros[turn] ?? Number.NaN));
    const sorted = ratios.toSorted((a, b) => a - b);
    const at = (part: number) => sorted[Math.floor((sorted.length - 1) * part)] ?? Number.NaN;
    const pairs = { overNone: spread(ratios).median, lower: at(0.25), upper: at(0.75) };
    return { series: name, values: { ...values, ...pairs } };
  });
}
