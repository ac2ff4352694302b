import { type ErrorName, errorCatalogue } from "@starling/protocol/errors.ts";
import { z } from "zod";
import { hookBodySchema, hookOperation } from "./hook-schemas.ts";
import {
  bansQuerySchema,
  bansSchema,
  batchPublishedSchema,
  batchSchema,
  broadcastedSchema,
  broadcastSchema,
  channelsQuerySchema,
  channelsSchema,
  disconnectedSchema,
  disconnectSchema,
  historyQuerySchema,
  historySchema,
  nodesSchema,
  presenceQuerySchema,
  presenceSchema,
  presenceStatsSchema,
  publicationSchema,
  publishedSchema,
  statsSchema,
  tokenRequestSchema,
  tokenSchema,
  unbannedSchema,
  unbanSchema,
} from "./schemas.ts";

type JsonObject = Record<string, unknown>;

interface Operation {
  readonly id: string;
  readonly summary: string;
  readonly request?: { readonly name: string; readonly schema: z.ZodType };
  /** Of a query, where there is no body. */
  readonly parameters?: z.ZodObject;
  readonly answer: { readonly name: string; readonly schema: z.ZodType };
  readonly errors: readonly ErrorName[];
}

const READING: readonly ErrorName[] = [
  "invalid_request",
  "unauthorized",
  "address_forbidden",
  "proxy_forbidden",
  "unknown_app",
  "rate_limited",
  "internal",
  "broker_unavailable",
];
const WRITING: readonly ErrorName[] = [
  ...READING,
  "malformed_json",
  "invalid_encoding",
  "body_too_large",
];
const DELIVERING: readonly ErrorName[] = [...WRITING, "idempotency_conflict", "reserved_event"];

const operations: Readonly<Record<string, { readonly method: string } & Operation>> = {
  "/api/publish": {
    method: "post",
    id: "publish",
    summary: "Delivers one event to a channel.",
    request: { name: "Publication", schema: publicationSchema },
    answer: { name: "Published", schema: publishedSchema },
    errors: DELIVERING,
  },
  "/api/batch": {
    method: "post",
    id: "batch",
    summary: "Delivers several events in order; all of them or, when one is faulty, none.",
    request: { name: "Batch", schema: batchSchema },
    answer: { name: "BatchPublished", schema: batchPublishedSchema },
    errors: [...DELIVERING, "batch_too_large"],
  },
  "/api/broadcast": {
    method: "post",
    id: "broadcast",
    summary: "Delivers one event to several channels.",
    request: { name: "Broadcast", schema: broadcastSchema },
    answer: { name: "Broadcasted", schema: broadcastedSchema },
    errors: [...DELIVERING, "batch_too_large"],
  },
  "/api/disconnect": {
    method: "post",
    id: "disconnect",
    summary:
      "Disconnects a user or one connection, on all nodes, and bans the user where that is asked for; the clients " +
      "do not reconnect by themselves. A ban that cannot be kept is refused; connections are ended all the same.",
    request: { name: "Disconnect", schema: disconnectSchema },
    answer: { name: "Disconnected", schema: disconnectedSchema },
    errors: [...WRITING, "too_many_bans"],
  },
  "/api/unban": {
    method: "post",
    id: "unban",
    summary: "Lifts the ban of a user, on all nodes.",
    request: { name: "Unban", schema: unbanSchema },
    answer: { name: "Unbanned", schema: unbannedSchema },
    errors: WRITING,
  },
  "/api/bans": {
    method: "get",
    id: "listBans",
    summary: "Lists the users of an app who are banned.",
    answer: { name: "Bans", schema: bansSchema },
    errors: READING,
    parameters: bansQuerySchema,
  },
  "/api/channels": {
    method: "get",
    id: "listChannels",
    summary: "Lists channels that have subscribers, a page at a time.",
    answer: { name: "Channels", schema: channelsSchema },
    errors: READING,
    parameters: channelsQuerySchema,
  },
  "/api/history": {
    method: "get",
    id: "history",
    summary: "Lists what a channel keeps of what was published in it, a page at a time.",
    answer: { name: "History", schema: historySchema },
    errors: READING,
    parameters: historyQuerySchema,
  },
  "/api/presence": {
    method: "get",
    id: "presence",
    summary: "Lists the members of a channel.",
    answer: { name: "Presence", schema: presenceSchema },
    errors: READING,
    parameters: presenceQuerySchema,
  },
  "/api/presence/stats": {
    method: "get",
    id: "presenceStats",
    summary: "Counts the members of a channel, at a cost that does not depend on their number.",
    answer: { name: "PresenceStats", schema: presenceStatsSchema },
    errors: READING,
    parameters: presenceQuerySchema,
  },
  "/api/nodes": {
    method: "get",
    id: "listNodes",
    summary: "Lists the nodes of the mesh, as `GET /v1/nodes` does for clients.",
    answer: { name: "Nodes", schema: nodesSchema },
    errors: READING.filter((name) => name !== "invalid_request" && name !== "unknown_app"),
  },
  "/api/token": {
    method: "post",
    id: "mintToken",
    summary: "Makes a token for a client.",
    request: { name: "TokenRequest", schema: tokenRequestSchema },
    answer: { name: "Token", schema: tokenSchema },
    errors: [...WRITING, "minting_off"],
  },
  "/api/stats": {
    method: "get",
    id: "stats",
    summary: "Counts of connections, deliveries and refusals since the start.",
    answer: { name: "Stats", schema: statsSchema },
    errors: [
      "unauthorized",
      "address_forbidden",
      "proxy_forbidden",
      "rate_limited",
      "internal",
      "broker_unavailable",
    ],
  },
};

let text: string | undefined;

/** The OpenAPI 3.1 description of the native API, made from the schemas that check requests. */
export function openApiText(): string {
  text ??= JSON.stringify(openApi());
  return text;
}

function openApi(): JsonObject {
  const schemas: JsonObject = { Error: errorSchema(), Hook: jsonSchema(hookBodySchema) };
  const paths: Record<string, JsonObject> = {};
  for (const [path, operation] of Object.entries(operations)) {
    for (const named of [operation.request, operation.answer]) {
      if (named !== undefined) schemas[named.name] = jsonSchema(named.schema);
    }
    paths[path] = { [operation.method]: describe(operation) };
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "Starling publisher API",
      version: "1",
      description:
        "Publishes events to subscribers. Every request must come from an allowed address; with " +
        "API_KEYS configured the operations ask for one of the keys.",
      license: { name: "Apache-2.0", identifier: "Apache-2.0" },
    },
    servers: [{ url: "/" }],
    security: [{ apiKey: [] }, {}],
    paths,
    webhooks: { hook: hookOperation(reference("Hook")) },
    components: {
      schemas,
      securitySchemes: { apiKey: { type: "http", scheme: "bearer" } },
    },
  };
}

function describe(operation: Operation): JsonObject {
  const { request } = operation;
  return {
    operationId: operation.id,
    summary: operation.summary,
    ...(request === undefined
      ? { parameters: queryParameters(operation.parameters) }
      : { requestBody: { required: true, content: reference(request.name) } }),
    responses: {
      200: { description: "Done.", content: reference(operation.answer.name) },
      ...errorResponses(operation.errors),
    },
  };
}

/** Errors share a response where they share a status. */
function errorResponses(names: readonly ErrorName[]): JsonObject {
  const byStatus = Map.groupBy(names, (name) => errorCatalogue[name].status);
  const responses: JsonObject = {};
  for (const [status, errors] of byStatus) {
    const lines = errors.map((name) => {
      const { code, message } = errorCatalogue[name];
      return `${code} \`${name}\`: ${message}`;
    });
    responses[status] = {
      description: lines.join("\n\n"),
      ...(RETRYABLE.has(status) ? { headers: { "Retry-After": retryAfter } } : {}),
      content: reference("Error"),
    };
  }
  return responses;
}

/** Statuses whose answers say when to come back. */
const RETRYABLE: ReadonlySet<number> = new Set([429, 503]);

const retryAfter = {
  description: "Seconds after which the request may be repeated.",
  schema: { type: "integer", minimum: 1 },
};

function queryParameters(schema: z.ZodObject | undefined): JsonObject[] {
  return Object.entries(schema?.shape ?? {}).map(([name, field]) => ({
    name,
    in: "query",
    required: !field.safeParse(undefined).success,
    schema: jsonSchema(field),
  }));
}

/** The catalogue as a schema: the names are an enumeration that generated clients can switch on. */
function errorSchema(): JsonObject {
  const names = Object.keys(errorCatalogue);
  return jsonSchema(
    z.strictObject({
      error: z.strictObject({ code: z.int(), name: z.enum(names), message: z.string() }),
    }),
  );
}

function jsonSchema(schema: z.core.$ZodType): JsonObject {
  const { $schema: _dialect, ...rest } = z.toJSONSchema(schema, {
    io: "input",
    // JSON Schema has no word for "any JSON text", and needs none: an empty schema says it.
    unrepresentable: "any",
  });
  return rest;
}

function reference(name: string): JsonObject {
  return { "application/json": { schema: { $ref: `#/components/schemas/${name}` } } };
}
