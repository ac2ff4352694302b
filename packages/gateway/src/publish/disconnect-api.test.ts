import { expect, test } from "bun:test";
import { FakeClock } from "@starling/core/testing/fake-clock.ts";
import { DisconnectApi } from "./disconnect-api.ts";

const apps = new Map([["default", { namespaces: new Map() }]]);
const request = JSON.stringify({ user: "ada", ban: 60 });
const never = () => new Promise<never>(() => {});
const fails = () => Promise.reject(new Error("gone"));

test("a ban and the end of connections are waited for together: whichever fails first is the answer", async () => {
  for (const hub of [
    { disconnect: fails, ban: never, bans: () => [] },
    { disconnect: never, ban: fails, bans: () => [] },
  ]) {
    const api = new DisconnectApi(apps, hub, new FakeClock());
    await expect(Promise.resolve(api.disconnect(request)())).rejects.toThrow("gone");
  }
});
