import { expect, test } from "bun:test";
import type { ListenerHandshake } from "@starling/core/sessions/signalling/admissions.ts";
import type { SignallingAdmission } from "@starling/core/sessions/signalling/server.ts";
import { SignallingEndpoint } from "./signalling-endpoint.ts";
import { FakeHandler, FakeSession } from "./testing/fake-session.ts";
import { SocketFixture } from "./testing/socket-fixture.ts";

const headers = { "X-Prscd-Version": "1.2.3" };
const refusal: SignallingAdmission = {
  status: 403,
  message: "illegal public key",
  error: "illegal_public_key",
};

/** Asks for `path`, and gives what became of it. */
async function asked(path: string, admission: SignallingAdmission) {
  const handshakes: ListenerHandshake[] = [];
  const fixture = new SocketFixture();
  const endpoint = new SignallingEndpoint({
    headers,
    sockets: fixture.context,
    admissions: {
      async admit(handshake) {
        handshakes.push(handshake);
        return admission;
      },
    },
  });
  const session = new FakeSession();
  const answers: unknown[] = [];
  const lines: Record<string, string> = { origin: "https://a.example", authorization: "Bearer t" };
  await endpoint.handle({
    path,
    authority: "b.example:8443",
    remoteAddress: { hostname: "192.0.2.1", port: 4 },
    header: (name) => lines[name],
    accept: (fields) => {
      answers.push([200, fields]);
      return session as never;
    },
    reject: (status, fields) => answers.push([status, fields]),
  });
  return { answers, session, handshake: handshakes[0], fixture };
}

function admitted(version: 1 | 2): [SignallingAdmission, FakeHandler] {
  const handler = new FakeHandler();
  const link = Object.assign(handler, { version });
  return [{ link } as unknown as SignallingAdmission, handler];
}

test("the handshake says who asks for what", async () => {
  const { handshake } = await asked("/v1?id=ada&publickey=k", refusal);
  expect(handshake).toMatchObject({
    address: "192.0.2.1",
    origin: "https://a.example",
    host: "b.example:8443",
    bearer: "t",
  });
  expect(handshake?.query.get("id")).toBe("ada");
});

test("a refusal is a status, or a session that says why to who asks", async () => {
  const fields = [["x-prscd-version", "1.2.3"]];
  expect((await asked("/v1?id=ada", refusal)).answers).toEqual([[403, fields]]);
  const { answers, session } = await asked("/v1?id=ada&why=1", refusal);
  expect(answers).toEqual([[200, fields]]);
  expect(session.closedWith).toEqual({ closeCode: 308, reason: "illegal public key" });
});

test("a client of version 1 is open at once, one of version 2 with its stream", async () => {
  const [first, handler1] = admitted(1);
  await asked("/v1?id=ada", first);
  expect(handler1.told).toEqual(["opened"]);
  const [second, handler2] = admitted(2);
  const { session } = await asked("/v1?id=ada&v=2", second);
  expect(handler2.told).toEqual([]);
  session.open();
  expect(handler2.told).toEqual(["opened"]);
});

test.each([
  ["/v1?hb=1000", 1],
  ["/v1?hb=5", 0],
  ["/v1?hb=1e9", 0],
  ["/v1?hb=x", 0],
  ["/v1", 0],
])("%s promises signs of life, or does not", async (path, withheld) => {
  const [admission, handler] = admitted(2);
  const { session, fixture } = await asked(path, admission);
  session.open();
  const socket = handler.socket;
  fixture.clock.advance(2_501);
  socket?.sendUnreliable?.("state");
  fixture.turn();
  expect(fixture.counters.datagramsWithheld).toBe(withheld);
});
