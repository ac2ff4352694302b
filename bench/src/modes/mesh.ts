import { Mesh, type MeshCost } from "../mesh/measure.ts";
import { type Kind, kinds } from "../mesh/orders.ts";
import type { Server } from "../peers/peer.ts";
import { inTime } from "./in-time.ts";
import type { Comparison, Mode, Sample } from "./mode.ts";

/** For one flow, with what is published before it is measured. */
const TIMEOUT_MS = 120_000;

export interface MeshModeOptions {
  readonly channels: number;
  /** Messages of a flood. */
  readonly messages: number;
  /** Messages a second where they are paced, and for how many seconds. */
  readonly rate: number;
  readonly seconds: number;
  /** Highest CPU microseconds of one node for one message, beyond local delivery, that are wanted. */
  readonly atMost: { readonly flood: number; readonly paced: number };
}

/** What a message costs two nodes of Starling that goes from one to the other over NATS. */
export function mesh(options: MeshModeOptions): Mode<Server> {
  const { channels, messages, rate, seconds, atMost } = options;
  const flows = [
    { name: "flood", messages, perSecond: 0, limit: atMost.flood },
    { name: `${rate} a second`, messages: rate * seconds, perSecond: rate, limit: atMost.paced },
  ];
  const all = kinds.flatMap((kind) => flows.map((flow) => ({ kind, ...flow })));
  return {
    name: "mesh",
    parameters: { channels, messages, rate, seconds },
    metrics: [
      { key: "publisherBeyond", title: "publisher beyond local µs", digits: 2 },
      { key: "receiverBeyond", title: "receiver beyond local µs", digits: 2 },
      { key: "publisher", title: "publisher µs", digits: 2 },
      { key: "receiver", title: "receiver µs", digits: 2 },
      { key: "nats", title: "nats-server µs", digits: 2 },
      { key: "perSecond", title: "messages/s", digits: 0 },
    ],
    comparisons: all.flatMap(({ kind, name, perSecond, limit }) =>
      ["publisherBeyond", "receiverBeyond"].map((metric): Comparison => {
        // What is kept is three messages to its publisher, of which a flood cannot make one.
        const target = kind === "plain" || perSecond > 0 ? { atMost: limit } : {};
        return { metric, series: series(kind, name), ...target };
      }),
    ),
    async measure({ server }) {
      const nodes = new Mesh({ pid: server.pid, url: server.urls.publisher.href });
      const samples: Sample[] = [];
      try {
        await nodes.start(channels);
        for (const { kind, name, messages, perSecond } of all) {
          const measured = nodes.measure(kind, { messages, perSecond });
          samples.push(sample(series(kind, name), await inTime(measured, TIMEOUT_MS)));
        }
      } finally {
        await nodes.end();
      }
      return samples;
    },
  };
}

function series(kind: Kind, flow: string): string {
  return `${kind === "kept" ? "with" : "without"} history, ${flow}`;
}

/** Both what was measured and what of it is beyond local delivery. */
export function sample(series: string, cost: MeshCost): Sample {
  const { publisher, publisherAlone, receiver, receiverAlone, nats, perSecond } = cost;
  return {
    series,
    values: {
      publisherBeyond: publisher - publisherAlone,
      receiverBeyond: receiver - receiverAlone,
      ...{ publisher, receiver, nats, perSecond },
    },
  };
}
