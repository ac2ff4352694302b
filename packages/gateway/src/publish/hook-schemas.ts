import { z } from "zod";

const id = z.string().meta({
  description: "No other event ever has it: the run of the node that decided on it, `.`, a number.",
});
const time = z
  .int()
  .meta({ description: "When it happened, in milliseconds since the Unix epoch." });
const channel = z.string();
const connection = z.string();
const user = z.string().nullable();

const event = z.discriminatedUnion("type", [
  z.object({ id, type: z.enum(["occupied", "vacated"]), time, channel }),
  z.object({
    ...{ id, type: z.enum(["join", "leave"]), time, channel, connection },
    ...{ clientId: z.string(), user },
  }),
  z.object({ id, type: z.enum(["connect", "disconnect"]), time, connection, user }),
]);

/** The body of a request of a hook. */
export const hookBodySchema = z.object({
  app: z.string(),
  node: z.string().nullable().meta({ description: "`MESH_ID` of the node that sends." }),
  time: z.int().meta({ description: "When it was sent, in milliseconds since the Unix epoch." }),
  dropped: z.int().min(0).meta({
    description: "Events of this hook that were lost since the last request that was taken.",
  }),
  events: z.array(event).min(1).meta({ description: "In the order in which they happened." }),
});

/** What OpenAPI says of hooks, under `webhooks`. */
export function hookOperation(content: object): object {
  return {
    post: {
      operationId: "hook",
      summary: "Tells of channels, members and connections; sent to the hooks of an app.",
      security: [],
      parameters: [
        {
          name: "Starling-Signature",
          in: "header",
          required: true,
          description:
            "`t=SECONDS,v1=HEX`: the HMAC-SHA256 of the seconds, a `.` and the body; one `v1` for each " +
            "secret.",
          schema: { type: "string" },
        },
      ],
      requestBody: { required: true, content },
      responses: {
        "2XX": { description: "Taken." },
        429: { description: "Sent again, after `Retry-After` where it is there." },
        "5XX": { description: "Sent again." },
        default: { description: "Lost: counted, logged, and not sent again." },
      },
    },
  };
}
