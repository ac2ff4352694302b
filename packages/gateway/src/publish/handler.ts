import type { Answer } from "@starling/core/answer.ts";
import type { JwtIssuer } from "@starling/core/auth/jwt-issuer.ts";
import type { Broker } from "@starling/core/broker/broker.ts";
import type { WorkerHandlers } from "@starling/core/broker/handlers.ts";
import type { HubApi } from "@starling/core/hub/api.ts";
import type { Counters } from "@starling/core/hub/counters.ts";
import type { Clock, Log } from "@starling/core/ports.ts";
import { type ErrorName, StarlingError } from "@starling/protocol/errors.ts";
import type { Config } from "../config/config.ts";
import { pathOf, queryOf } from "../listeners/request-url.ts";
import type { NodeList } from "../node/node-list.ts";
import type { Metrics } from "../ops/metrics.ts";
import { Deliveries } from "./deliveries.ts";
import { DisconnectApi } from "./disconnect-api.ts";
import { Gates } from "./gates.ts";
import { HistoryApi } from "./history-api.ts";
import { readLegacyPublication, type TargetMember } from "./legacy-api.ts";
import { NativeApi } from "./native-api.ts";
import { NodeStats, type SharedCounts, type WorkerStats } from "./node-stats.ts";
import { openApiText } from "./openapi.ts";
import { PresenceApi } from "./presence-api.ts";
import { readText } from "./read-text.ts";
import { json, jsonText, MethodNotAllowed, plainText, refusal } from "./responses.ts";
import { mintToken } from "./token-api.ts";

/** What the publisher API needs of the configuration. */
export type PublisherConfig = Pick<
  Config,
  | "allowedIps"
  | "useProxy"
  | "trustProxy"
  | "eventIdPattern"
  | "maxBodyBytes"
  | "apiKeys"
  | "apps"
  | "meshId"
>;

export interface PublisherOptions {
  readonly config: PublisherConfig;
  readonly hub: HubApi;
  /** The worker's link to the others of its node. */
  readonly broker: Broker;
  readonly handlers: WorkerHandlers;
  /** Makes tokens; undefined where there is no secret to sign them with. */
  readonly issuer: JwtIssuer | undefined;
  readonly counters: Counters;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly log: Log;
  /** What the node itself counts. */
  sharedCounts(): Answer<SharedCounts>;
  /** The nodes of the mesh. */
  readonly nodes: Pick<NodeList, "text">;
}

/** The other end of the connection that a request came over. */
export interface Peer {
  readonly address: string;
  readonly port: number;
}

export interface PublisherHandler {
  fetch(request: Request, peer: Peer): Promise<Response>;
}

interface Exchange {
  readonly request: Request;
  /** The client's address, which has passed the address gate. */
  readonly client: string;
}

type Endpoint = (exchange: Exchange) => Response | Promise<Response>;

/** A path's endpoints by method; `plain` marks the routes whose contract is plain text. */
interface Route {
  readonly methods: Readonly<Partial<Record<string, Endpoint>>>;
  readonly plain: boolean;
}

/**
 * The publisher API as a request handler.
 *
 * Gates, in this order: the client's address (with the proxy chain, where proxies are in use), the
 * existence of path and method, the API key on native routes, the size of the body, its JSON and
 * schema, and the rate of the caller. What passed them all is then done as a whole. A client
 * certificate, where one is asked for, was checked by TLS before all of this.
 */
export function createPublisherHandler(options: PublisherOptions): PublisherHandler {
  const { config, log } = options;
  const { broker, handlers, metrics } = options;
  const gates = new Gates(config, broker);
  const deliveries = new Deliveries(options.hub, broker);
  const refusals: Partial<Record<ErrorName, number>> = {};
  let requests = 0;
  const own = (): WorkerStats => ({
    ok: true,
    hub: { ...options.counters },
    publisher: { requests, refusals: { ...refusals }, replays: deliveries.replays },
  });
  const shared = () => options.sharedCounts();
  const stats = new NodeStats({ broker, handlers, metrics, own, shared });
  const routes = publisherRoutes({ ...options, gates, deliveries, stats });

  function refuse(error: unknown, route: Route | undefined): Response {
    if (!(error instanceof StarlingError)) {
      log.error({ error }, "a publisher request failed");
    }
    const known = error instanceof StarlingError ? error : new StarlingError("internal");
    refusals[known.errorName] = (refusals[known.errorName] ?? 0) + 1;
    log.debug({ refusal: known.errorName, reason: known.message }, "publisher request refused");
    if (route?.plain === true && known.status === 403) return plainText("Forbidden", 403);
    if (route?.plain === true && known.status === 400) return plainText("BAD REQUEST", 400);
    return refusal(known);
  }

  return {
    async fetch(request, peer) {
      requests++;
      const route = routes.get(pathOf(request.url));
      try {
        const client = gates.address(peer.address, request.headers);
        if (route === undefined) throw new StarlingError("not_found");
        const endpoint = Object.hasOwn(route.methods, request.method)
          ? route.methods[request.method]
          : undefined;
        if (endpoint === undefined) throw new MethodNotAllowed(Object.keys(route.methods));
        return await endpoint({ request, client });
      } catch (error) {
        return refuse(error, route);
      }
    },
  };
}

interface RouteParts extends PublisherOptions {
  readonly gates: Gates;
  readonly deliveries: Deliveries;
  readonly stats: NodeStats;
}

function publisherRoutes(parts: RouteParts): ReadonlyMap<string, Route> {
  const { config, gates, deliveries, hub, broker, issuer, stats, metrics, nodes, clock } = parts;
  const api = new NativeApi(config.apps, hub, deliveries);
  const disconnectApi = new DisconnectApi(config.apps, hub, clock);
  const historyApi = new HistoryApi(config.apps, hub);
  const presenceApi = new PresenceApi(config, broker);

  const native =
    (prepare: (text: string) => (caller: string) => Answer<object>): Endpoint =>
    async ({ request, client }) => {
      const caller = gates.apiKey(request.headers, client);
      const perform = prepare(await readText(request, config.maxBodyBytes));
      const limit = gates.rate(caller);
      if (limit !== undefined) await limit;
      const answer = perform(caller);
      return json(answer instanceof Promise ? await answer : answer);
    };

  const legacy =
    (member: TargetMember): Endpoint =>
    async ({ request, client }) => {
      const text = await readText(request, config.maxBodyBytes);
      const delivery = readLegacyPublication(text, member, config.eventIdPattern);
      const limit = gates.rate(gates.addressCaller(client));
      if (limit !== undefined) await limit;
      const made = deliveries.make(client, [delivery]);
      if (made instanceof Promise) await made;
      return plainText("OK");
    };

  const showStats: Endpoint = async ({ request, client }) => {
    await gates.rate(gates.apiKey(request.headers, client));
    return json(await stats.stats());
  };

  const query =
    <T extends object | string>(
      prepare: (query: string) => () => Answer<T>,
      render: (answer: T) => Response,
    ): Endpoint =>
    async ({ request, client }) => {
      const caller = gates.apiKey(request.headers, client);
      const perform = prepare(queryOf(request.url));
      await gates.rate(caller);
      return render(await perform());
    };

  const showNodes: Endpoint = async ({ request, client }) => {
    await gates.rate(gates.apiKey(request.headers, client));
    return jsonText(await nodes.text());
  };

  const showMetrics: Endpoint = async ({ request, client }) => {
    await gates.rate(gates.apiKey(request.headers, client));
    return new Response(await stats.metrics(), {
      headers: { "content-type": metrics.contentType },
    });
  };

  const alive: Endpoint = () => plainText("OK");
  const describe: Endpoint = () => jsonText(openApiText());
  const readable = (endpoint: Endpoint) => ({ GET: endpoint, HEAD: endpoint });
  const post = (prepare: (text: string) => (caller: string) => Answer<object>): Route => ({
    methods: { POST: native(prepare) },
    plain: false,
  });

  const get = (endpoint: Endpoint): Route => ({ methods: readable(endpoint), plain: false });

  return new Map<string, Route>([
    ["/", { methods: { ...readable(alive), POST: legacy("uuid") }, plain: true }],
    ["/status", { methods: readable(alive), plain: true }],
    ["/publish", { methods: { POST: legacy("target_id") }, plain: true }],
    ["/api/publish", post((text) => api.publish(text))],
    ["/api/batch", post((text) => api.batch(text))],
    ["/api/broadcast", post((text) => api.broadcast(text))],
    ["/api/disconnect", post((text) => disconnectApi.disconnect(text))],
    ["/api/unban", post((text) => disconnectApi.unban(text))],
    ["/api/bans", get(query((text) => disconnectApi.bans(text), json))],
    ["/api/token", post((text) => mintToken(config.apps, issuer, text))],
    ["/api/channels", get(query((text) => api.channels(text), json))],
    ["/api/history", get(query((text) => historyApi.history(text), jsonText))],
    ["/api/presence", get(query((text) => presenceApi.members(text), json))],
    ["/api/presence/stats", get(query((text) => presenceApi.stats(text), json))],
    ["/api/nodes", get(showNodes)],
    ["/metrics", { methods: readable(showMetrics), plain: true }],
    ["/api/stats", get(showStats)],
    ["/openapi.json", get(describe)],
  ]);
}
