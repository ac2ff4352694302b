import { MAX_TTL_SECONDS } from "@starling/core/auth/jwt-issuer.ts";
import { MAX_BAN_SECONDS } from "@starling/core/bans/ban-list.ts";
import { MAX_NAME_LENGTH, NO_CONTROL_CHARACTERS } from "@starling/core/hub/names.ts";
import { DEFAULT_APP } from "@starling/core/hub/namespace.ts";
import { type Position, parsePosition } from "@starling/core/hub/position.ts";
import { z } from "zod";
import { RawJson } from "./envelope.ts";

/** Entries of a batch, or channels of a broadcast. */
export const MAX_BATCH = 1000;
/** Channels on one page. */
export const MAX_PAGE = 1000;

const name = z
  .string()
  .min(1)
  .max(MAX_NAME_LENGTH)
  .regex(NO_CONTROL_CHARACTERS, "must not contain control characters")
  .refine((text) => text.isWellFormed(), "must be well-formed Unicode");

const app = name.default(DEFAULT_APP).meta({ description: "The tenant." });

const channel = name.meta({ description: "A channel; options come from the part before `:`." });

const event = name
  .default("message")
  .meta({ description: "The event name that subscribers listen for." });

const data = z
  .custom<RawJson>((value) => value instanceof RawJson, {
    error: "is missing; send null for an event without data",
  })
  .meta({ description: "Any JSON value; it reaches subscribers as it was written." });

const idempotencyKey = name.optional().meta({
  description:
    "A repeated request with the same key gets the first answer and is not delivered again.",
});

const publisher = name.optional().meta({
  description: "Who publishes, as signalling clients and event streams are told.",
});

export const publicationSchema = z.strictObject({
  channel,
  event,
  data,
  app,
  publisher,
  idempotencyKey,
});

export const batchSchema = z.strictObject({
  publications: z.array(publicationSchema).min(1).max(MAX_BATCH),
});

export const broadcastSchema = z.strictObject({
  channels: z
    .array(channel)
    .min(1)
    .max(MAX_BATCH)
    .meta({ description: "A channel that is named twice gets the event once." }),
  event,
  data,
  app,
  publisher,
  idempotencyKey,
});

export const disconnectSchema = z
  .strictObject({
    user: name.optional().meta({ description: "Every connection of this user." }),
    connection: name.optional().meta({ description: "The connection with this id." }),
    ban: z
      .int()
      .min(1)
      .max(MAX_BAN_SECONDS)
      .optional()
      .meta({
        description:
          "Seconds for which the user cannot connect again, until the moment at which they are over by the clocks of the " +
          "nodes; only with `user`.",
      }),
    app,
  })
  .refine((target) => (target.user === undefined) !== (target.connection === undefined), {
    error: "exactly one of user and connection is needed",
  })
  .refine((target) => target.ban === undefined || target.user !== undefined, {
    path: ["ban"],
    error: "is for a user, not for a connection",
  })
  .meta({ oneOf: [{ required: ["user"] }, { required: ["connection"] }] });

export const unbanSchema = z.strictObject({ user: name, app });

export const bansQuerySchema = z.strictObject({ app });

export const channelsQuerySchema = z.strictObject({
  app,
  prefix: z.string().max(255).default("").meta({ description: "How the names begin." }),
  limit: z.coerce.number<string>().int().min(1).max(MAX_PAGE).default(100),
  cursor: z
    .string()
    .max(255)
    .optional()
    .meta({ description: "`next` of the page before; names after it follow." }),
});

export const historyQuerySchema = z.strictObject({
  app,
  channel,
  since: z
    .string()
    .transform((text, context): Position => {
      const position = parsePosition(text);
      if (position !== undefined) return position;
      context.addIssue({ code: "custom", message: "is no position, such as 8fJ2kQ.17" });
      return z.NEVER;
    })
    .optional()
    .meta({
      description: "A position; what was published behind it follows, or before it with `reverse`.",
    }),
  limit: z.coerce.number<string>().int().min(1).max(MAX_PAGE).default(100),
  reverse: z
    .enum(["true", "false"])
    .default("false")
    .transform((text) => text === "true")
    .meta({ description: "Whether the newest come first." }),
});

export const presenceQuerySchema = z.strictObject({ app, channel });

const patterns = z
  .array(name)
  .max(100)
  .optional()
  .meta({ description: "Channel names; `*` stands for any run of characters." });

export const tokenRequestSchema = z.strictObject({
  app,
  user: name.optional().meta({ description: "Becomes the claim `sub`." }),
  permissions: z
    .strictObject({ subscribe: patterns, publish: patterns, presence: patterns })
    .optional()
    .meta({ description: "What is not mentioned is not granted." }),
  ttlSeconds: z
    .int()
    .min(1)
    .max(MAX_TTL_SECONDS)
    .default(3600)
    .meta({ description: "Seconds for which the token is good." }),
});

const ok = z.literal(true);
const count = z.int().min(0);
const subscribers = count.meta({
  description: "Connections that were subscribed, on all workers.",
});

const position = z.string().meta({
  description: "`EPOCH.OFFSET`: where a publication stands in the history of its channel.",
});
const ownPosition = position.optional().meta({
  description: "Where it stands in the history of the channel; absent where that keeps none.",
});

export const publishedSchema = z.strictObject({ ok, subscribers, position: ownPosition });

export const batchPublishedSchema = z
  .strictObject({ ok, results: z.array(z.strictObject({ subscribers, position: ownPosition })) })
  .meta({ description: "`results` is in the order of `publications`." });

export const broadcastedSchema = z.strictObject({
  ok,
  channels: count.meta({ description: "Distinct channels that were published to." }),
  subscribers,
  positions: z.record(z.string(), position).optional().meta({
    description: "By channel, of those that keep history; absent where none does.",
  }),
});

export const historySchema = z.strictObject({
  ok,
  channel: z.string(),
  position: position.nullable().meta({
    description: "Where the channel stands; null where it keeps no history.",
  }),
  publications: z.array(
    z.strictObject({
      position,
      time: count.meta({ description: "Milliseconds since the Unix epoch." }),
      event: z.string(),
      data: z.unknown().meta({ description: "As it was published; binary parts as base64 text." }),
      publisher: z.string().nullable(),
    }),
  ),
  complete: z.boolean().meta({
    description:
      "Whether nothing is missing before the first of them, back to `since` or to the beginning.",
  }),
  more: z.boolean().meta({
    description: "Whether more follow: ask again with the position of the last as `since`.",
  }),
});

export const channelsSchema = z
  .strictObject({
    ok,
    channels: z.array(z.strictObject({ channel: z.string(), subscribers })),
    next: z
      .string()
      .nullable()
      .meta({ description: "Cursor of the next page; null on the last one." }),
  })
  .meta({ description: "In the order of the names' UTF-16 code units." });

export const statsSchema = z
  .strictObject({
    ok,
    hub: z.strictObject({
      connections: count.meta({ description: "Connections open now." }),
      publications: count.meta({ description: "Publications accepted." }),
      deliveries: count.meta({ description: "Publications times their subscribers." }),
      slowConsumers: count.meta({ description: "Connections cut because they read too slowly." }),
      unfinishedRecoveries: count.meta({
        description: "Clients cut while they got what they had missed, since they read too slowly.",
      }),
      volatileDrops: count.meta({
        description: "Messages of volatile namespaces dropped for subscribers that were not ready.",
      }),
      pingTimeouts: count.meta({ description: "Connections that missed a heartbeat." }),
      authenticationTimeouts: count.meta({
        description: "Connections that did not authenticate in time.",
      }),
      malformedPackets: count.meta({ description: "Connections that broke the protocol." }),
      droppedSignals: count.meta({
        description: "Signals dropped: undecodable, unknown, not allowed, or not joined.",
      }),
      floods: count.meta({ description: "Connections cut for too many messages a second." }),
      limitsExceeded: count.meta({
        description: "Connections cut for too large a message, or too many channels.",
      }),
      refusedHandshakes: count.meta({
        description: "Handshakes refused: origin, rate by address, budget.",
      }),
      refusedConnects: count.meta({ description: "Connects refused: token, id, rate by user." }),
      requestsPassedOn: count.meta({
        description: "Long-polling requests passed on to the worker that has the session.",
      }),
      requestsNotPassedOn: count.meta({
        description: "Long-polling requests for another worker that were not answered.",
      }),
      sessionsMoved: count.meta({
        description: "Sessions of other workers that came with their WebSocket.",
      }),
      failedMoves: count.meta({
        description: "Sessions given up on their way from another worker.",
      }),
      recoveredConnections: count.meta({
        description: "Socket.IO connections whose clients came back and missed nothing.",
      }),
      unrecoveredConnections: count.meta({
        description: "Socket.IO clients that came back and had to begin anew.",
      }),
      statesDropped: count.meta({
        description: "States of Socket.IO connections dropped before their clients came back.",
      }),
    }),
    publisher: z.strictObject({
      requests: count,
      refusals: z
        .record(z.string(), count)
        .meta({ description: "Refused requests by the name of the error." }),
      replays: count.meta({
        description: "Deliveries not made because their idempotency key had been used before.",
      }),
      idempotencyForgottenEarly: count.meta({
        description:
          "Answers of idempotency keys forgotten before their time: too many were in use.",
      }),
      rateLimitUntracked: count.meta({
        description: "Requests let pass without a rate, since too many callers were known.",
      }),
    }),
    history: z
      .strictObject({
        bytes: count.meta({ description: "What all histories take, about." }),
        channels: count.meta({ description: "Channels of which something is kept, or was." }),
        publications: count.meta({ description: "Publications that have been kept so far." }),
        evictions: count.meta({
          description: "Channels whose history was forgotten to make room for others.",
        }),
      })
      .meta({ description: "Of the channels that keep history." }),
    hooks: z
      .strictObject({
        queued: count.meta({ description: "Events that wait now." }),
        queuedBytes: count,
        circuitsOpen: count.meta({ description: "Hooks that fail now." }),
        delivered: count.meta({ description: "Events that receivers took." }),
        requests: count,
        retries: count.meta({ description: "Requests that had to be made again." }),
        refused: count.meta({ description: "Events lost because receivers refused them." }),
        dropped: count.meta({ description: "Events lost because too many waited." }),
        expired: count.meta({ description: "Events lost because they waited for too long." }),
      })
      .meta({ description: "Of all hooks together." }),
    webtransport: z
      .strictObject({
        sessions: count.meta({ description: "Connections open now." }),
        sessionsOpened: count,
        datagramsSent: count,
        datagramsReceived: count,
        datagramsSkipped: count.meta({
          description: "Not sent because too many of the session waited.",
        }),
        datagramsWithheld: count.meta({
          description: "Not sent because the client's sign of life was late.",
        }),
        datagramsTooLarge: count.meta({
          description: "Messages not sent because they fit no datagram, and there is no stream.",
        }),
        datagramsRefused: count.meta({ description: "Not sent because QUIC refused them." }),
        datagramsDropped: count.meta({ description: "Received, and dropped." }),
        protocolErrors: count.meta({
          description: "QUIC connections closed because of what the client sent.",
        }),
      })
      .optional()
      .meta({ description: "Of the quic worker; absent where there is none." }),
  })
  .meta({ description: "Counted since the start, on all workers." });

export const presenceSchema = z
  .strictObject({
    ok,
    members: z.array(
      z.strictObject({
        connection: z.string(),
        clientId: z.string(),
        user: z.string().nullable(),
        state: z.unknown().meta({ description: "The state as JSON; bytes in it as base64 text." }),
        since: count.meta({ description: "Milliseconds since the Unix epoch." }),
        mesh: z.string().nullable().meta({
          description: "`MESH_ID` of the node that it is connected to; null without one.",
        }),
      }),
    ),
  })
  .meta({ description: "In the order in which they joined." });

export const presenceStatsSchema = z.strictObject({
  ok,
  members: count.meta({ description: "Connections present." }),
  users: count.meta({ description: "Distinct users among them." }),
});

export const nodesSchema = z
  .strictObject({
    ok,
    node: z.string().meta({ description: "The `MESH_ID` of the node that answers." }),
    nodes: z.array(
      z.strictObject({
        id: z.string().meta({ description: "Its `MESH_ID`." }),
        region: z.string().nullable().meta({ description: "Its `MESH_REGION`." }),
        addresses: z.array(z.string()).meta({
          description: "Its `PUBLIC_URLS`: origins of the subscribers' port.",
        }),
        connections: count.meta({ description: "Connections of clients." }),
        load: z.number().min(0).max(1).meta({
          description: "Share of their CPU time that its workers have used in the last seconds.",
        }),
        draining: z.boolean().meta({ description: "Whether it lets its clients go, to end." }),
      }),
    ),
  })
  .meta({ description: "The node that answers comes first; at most 256." });

export const tokenSchema = z.strictObject({
  ok,
  token: z.string().meta({ description: "A JWT (RFC 7519)." }),
  expiresAt: count.meta({ description: "Milliseconds since the Unix epoch." }),
});

export const disconnectedSchema = z.strictObject({
  ok,
  connections: count.meta({ description: "Connections that were disconnected, on all nodes." }),
  complete: z.boolean().meta({
    description:
      "Whether everybody has answered who could have such connections; ask again where it is false.",
  }),
  unanswered: z
    .array(z.string())
    .meta({ description: "`MESH_ID` of other nodes that are there and have not answered." }),
});

export const unbannedSchema = z.strictObject({
  ok,
  lifted: z.boolean().meta({ description: "Whether the user was banned." }),
});

export const bansSchema = z
  .strictObject({
    ok,
    bans: z.array(
      z.strictObject({
        user: z.string(),
        until: count.meta({ description: "When it ends, milliseconds since the Unix epoch." }),
      }),
    ),
  })
  .meta({ description: "Those that end first come first; 20,000 at most." });

export type PublicationRequest = z.output<typeof publicationSchema>;
export type Published = z.output<typeof publishedSchema>;
export type BatchPublished = z.output<typeof batchPublishedSchema>;
export type Broadcasted = z.output<typeof broadcastedSchema>;
export type ChannelsPage = z.output<typeof channelsSchema>;
export type Stats = z.output<typeof statsSchema>;
export type Disconnected = z.output<typeof disconnectedSchema>;
export type Unbanned = z.output<typeof unbannedSchema>;
export type Bans = z.output<typeof bansSchema>;
