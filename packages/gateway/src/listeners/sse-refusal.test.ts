import { expect, test } from "bun:test";
import { type ErrorName, errorCatalogue, StarlingError } from "@starling/protocol/errors.ts";
import { refusedStream } from "./sse-refusal.ts";

const browser = { accept: "text/event-stream" };
const allOf = (byte: number) => ({ bytes: (length: number) => new Uint8Array(length).fill(byte) });

function refused(name: ErrorName, headers: Record<string, string> = browser, byte = 0): Response {
  const request = new Request("https://localhost/events", { headers });
  return refusedStream(request, new StarlingError(name), allOf(byte), { vary: "Origin" });
}

const names = Object.keys(errorCatalogue) as ErrorName[];
const temporary = names.filter((name) => [429, 503].includes(errorCatalogue[name].status));

test.each(temporary)("%s lets an EventSource come back, which is told why", async (name) => {
  const answer = refused(name);
  expect([answer.status, answer.headers.get("vary")]).toEqual([200, "Origin"]);
  expect(answer.headers.get("content-type")).toBe("text/event-stream");
  const [event, data = "", retry] = (await answer.text()).split("\n");
  const { code, message } = errorCatalogue[name];
  const isStopping = name === "shutting_down";
  const said = isStopping
    ? { code: 4000, reason: "server is shutting down" }
    : { code, reason: message };
  expect([event, JSON.parse(data.slice("data: ".length))]).toEqual(["event: starling:close", said]);
  expect(retry).toBe(`retry: ${isStopping ? 3_000 : 5_000}`);
});

test("those who are refused together come back spread over ten seconds", async () => {
  expect(await refused("rate_limit_block", browser, 255).text()).toContain("\nretry: 15000\n");
});

test.each(["invalid_token", "permission_denied", "unknown_app", "internal"] as const)(
  "%s keeps its status, at which an EventSource gives up",
  async (name) => {
    expect(refused(name).status).toBe(errorCatalogue[name].status);
  },
);

test.each<Record<string, string>>([{}, { accept: "*/*" }, { accept: "application/json" }])(
  "a client of %j is told by the status",
  async (headers) => {
    const answer = refused("rate_limit_block", headers);
    expect([answer.status, await answer.json()]).toMatchObject([429, { error: { code: 302 } }]);
  },
);
