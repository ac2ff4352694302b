import { expect, test } from "bun:test";
import { hooksUnderTest } from "@starling/core/testing/hook-receiver.ts";
import { errorCatalogue } from "@starling/protocol/errors.ts";
import { hookBodySchema } from "./hook-schemas.ts";
import { publisherFixture } from "./testing/publisher-fixture.ts";

interface Operation {
  readonly responses: Readonly<Record<string, unknown>>;
}

interface ObjectSchema {
  readonly required: readonly string[];
  readonly properties: Readonly<Record<string, object>>;
}

interface Description {
  readonly openapi: string;
  readonly paths: Readonly<Record<string, { readonly get?: Operation; readonly post?: Operation }>>;
  readonly components: { readonly schemas: Readonly<Record<string, ObjectSchema>> };
}

async function description(): Promise<{ document: Description; text: string }> {
  const { text } = await publisherFixture().call("/openapi.json");
  return { document: JSON.parse(text), text };
}

test("every operation of the native API is described, and every described one exists", async () => {
  const { document } = await description();
  expect(document.openapi).toBe("3.1.0");
  const described = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
  );
  expect(described.sort()).toEqual([
    "GET /api/bans",
    "GET /api/channels",
    "GET /api/history",
    "GET /api/nodes",
    "GET /api/presence",
    "GET /api/presence/stats",
    "GET /api/stats",
    "POST /api/batch",
    "POST /api/broadcast",
    "POST /api/disconnect",
    "POST /api/publish",
    "POST /api/token",
    "POST /api/unban",
  ]);
  for (const operation of described) {
    const [method = "", path = ""] = operation.split(" ");
    const answer = await publisherFixture().call(path, { method });
    expect([200, 400]).toContain(answer.status);
  }
});

test("every reference leads to a schema", async () => {
  const { document, text } = await description();
  const references = [...text.matchAll(/"\$ref":"([^"]+)"/g)].map(([, target]) => target);
  expect(references.length).toBeGreaterThan(10);
  const known = Object.keys(document.components.schemas).map(
    (name) => `#/components/schemas/${name}`,
  );
  for (const reference of references) expect(known).toContain(reference ?? "");
});

test("every operation lists the statuses that it can answer with", async () => {
  const { document } = await description();
  const always = ["200", "401", "403", "429", "500"];
  const withInput = [...always, "400", "404"];
  for (const [path, { get, post }] of Object.entries(document.paths)) {
    const asksForNothing = path === "/api/stats" || path === "/api/nodes";
    const expected = asksForNothing ? always : get ? withInput : [...withInput, "413"];
    const { responses = {} } = get ?? post ?? {};
    expect(Object.keys(responses)).toEqual(expect.arrayContaining(expected));
  }
  const publish = document.paths["/api/publish"]?.post?.responses[413];
  expect(JSON.stringify(publish)).toContain(`${errorCatalogue.body_too_large.code} `);
});

test("the schemas are those that check requests: data is anything, and needed", async () => {
  const { document } = await description();
  const { Publication } = document.components.schemas;
  expect(Publication).toMatchObject({
    required: ["channel", "data"],
    additionalProperties: false,
    properties: { channel: { minLength: 1, maxLength: 255 }, event: { default: "message" } },
  });
  const { data = {} } = Publication?.properties ?? {};
  expect(Object.keys(data)).toEqual(["description"]);
});

test("an answer of each operation has the fields of its schema", async () => {
  const { document } = await description();
  const { post, call } = publisherFixture();
  const answers: [string, unknown][] = [
    ["Published", (await post("/api/publish", { channel: "c", data: 1 }))[1]],
    [
      "BatchPublished",
      (await post("/api/batch", { publications: [{ channel: "c", data: 1 }] }))[1],
    ],
    ["Broadcasted", (await post("/api/broadcast", { channels: ["c"], data: 1 }))[1]],
    ["Disconnected", (await post("/api/disconnect", { user: "u" }))[1]],
    ["Unbanned", (await post("/api/unban", { user: "u" }))[1]],
    ["Bans", JSON.parse((await call("/api/bans")).text)],
    ["Channels", JSON.parse((await call("/api/channels")).text)],
    ["Error", JSON.parse((await call("/nothing")).text)],
  ];
  for (const [name, answer] of answers) {
    const required = document.components.schemas[name]?.required ?? [];
    expect(Object.keys(answer as object).sort()).toEqual([...required].sort());
  }
});

test("what hooks send is described by the schema that it has", async () => {
  const { document } = await description();
  expect(document).toMatchObject({
    webhooks: {
      hook: {
        post: {
          parameters: [{ name: "Starling-Signature", in: "header" }],
          requestBody: {
            content: { "application/json": { schema: { $ref: expect.any(String) } } },
          },
        },
      },
    },
  });
  const { hooks, http, pass } = hooksUnderTest();
  const member = { connection: "c", clientId: "ada", user: "ada", state: undefined, since: 0 };
  hooks.opened("default", "room");
  hooks.joined("default", "room", member);
  hooks.left("default", "room", { ...member, user: undefined });
  hooks.connected("default", "c", undefined);
  hooks.disconnected("default", "c", "ada");
  hooks.closed("default", "room");
  await pass(10_000);
  const bodies = http.requests.map(({ body }) => JSON.parse(body));
  for (const body of bodies) expect(hookBodySchema.parse(body)).toEqual(body);
  expect(bodies.flatMap(({ events }) => events)).toHaveLength(6);
});

test("the bearer key is described as a security scheme that not every installation has", async () => {
  const { document } = await description();
  expect(document).toMatchObject({
    security: [{ apiKey: [] }, {}],
    components: { securitySchemes: { apiKey: { type: "http", scheme: "bearer" } } },
  });
});
