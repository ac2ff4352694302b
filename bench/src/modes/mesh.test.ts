import { expect, test } from "bun:test";
import { compare } from "../report/report.ts";
import { mesh, sample } from "./mesh.ts";

test("what a node without NATS takes for the same is no cost of the mesh", () => {
  const cost = { publisher: 5, publisherAlone: 3, receiver: 2, receiverAlone: 0.5 };
  expect(sample("any", { ...cost, nats: 7, perSecond: 9 })).toEqual({
    series: "any",
    values: {
      ...{ publisherBeyond: 2, receiverBeyond: 1.5, publisher: 5, receiver: 2 },
      ...{ nats: 7, perSecond: 9 },
    },
  });
});

test("each flow has a limit of its own", () => {
  const { comparisons } = mesh({
    ...{ channels: 1, messages: 2, rate: 20_000, seconds: 1, atMost: { flood: 2, paced: 10 } },
  });
  const cost = { publisher: 9, publisherAlone: 0, receiver: 9, receiverAlone: 0 };
  const facts = { ...cost, nats: 0, perSecond: 0 };
  const samples = [...new Set(comparisons.map(({ series }) => series))].map((series) =>
    sample(series, facts),
  );
  const result = { rounds: [{ samples }], failures: [] };
  const met = comparisons.flatMap((one) => compare(one, result)).map(({ met }) => met);
  const floods = [false, undefined];
  expect(met).toEqual(floods.flatMap((flood) => [flood, flood, true, true]));
});
