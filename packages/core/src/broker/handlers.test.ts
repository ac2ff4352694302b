import { expect, test } from "bun:test";
import type { PresenceEvent } from "./broker.ts";
import { CancellationSource } from "./cancellation.ts";
import { WorkerHandlers } from "./handlers.ts";

const cancellation = new CancellationSource();

test("what comes goes to whoever has registered, and to nobody before", () => {
  const handlers = new WorkerHandlers();
  const publication = { app: "default", channel: "c", event: "e", data: "1" };
  const event: PresenceEvent = { type: "leave", connection: "1" };
  const heard: unknown[] = [];
  const tell = () => {
    handlers.delivered(publication);
    handlers.presence("default", "c", event);
    handlers.missed();
  };
  tell();
  handlers.onDelivered((delivered) => heard.push(delivered));
  handlers.onPresence((app, channel, said) => heard.push([app, channel, said]));
  for (const name of ["first", "second"]) handlers.onMissed(() => heard.push(name));
  tell();
  expect(heard).toEqual([publication, ["default", "c", event], "first", "second"]);
});

test("a question is answered by its method, with who may give it up", () => {
  const handlers = new WorkerHandlers();
  handlers.method("double", (argument, given) => [Number(argument) * 2, given === cancellation]);
  expect(handlers.answer("double", 4, cancellation)).toEqual([8, true]);
  expect(() => handlers.answer("triple", 4, cancellation)).toThrow("no method triple");
  expect(() => handlers.method("double", () => 0)).toThrow("answered already");
});
