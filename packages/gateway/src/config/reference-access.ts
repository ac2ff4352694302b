import { MAX_PATTERNS } from "@starling/core/auth/channel-pattern.ts";
import { MAX_JWT_LENGTH, PERMISSIONS_CLAIM } from "@starling/core/auth/jwt.ts";
import { MAX_NAME_LENGTH } from "@starling/core/hub/names.ts";
import { bullets, paragraph, table } from "./markdown.ts";

/** The sections of the reference on who may connect and do what. */
export function accessSections(): string[] {
  return [...decisionSection, ...tokenSection, ...webhookSection];
}

const decisionSection: readonly string[] = [
  "## Who may do what",
  paragraph(
    "A connection is let in by the first of these that applies, and a refusal is final: a JSON " +
      "Web Token, where one is brought and a `JWT_...` key is set; the webhook, where it is set; " +
      "the public key; for Socket.IO the rotating token, where its secret is set. Without any of " +
      "these a client is let in only where `WEBSOCKET_AUTH` is 0. Where public keys are listed, one that " +
      "is not among them is refused whatever else is brought, and the webhook is not asked.",
  ),
  paragraph(
    "In a channel, `subscribe`, `publish` and `presence` of its namespace then say who may do that:",
  ),
  bullets([
    "`nobody`: no client. The publisher API always may.",
    "`token`, the default: whoever was given a permission for that channel, by a token or by the webhook.",
    "`authenticated`: in addition, whoever came with a valid token or was let in by the webhook. " +
      "A public key is not enough, since everybody can read it in the page.",
    "`anyone`: whoever is connected.",
  ]),
  paragraph(
    "Two rules come before that. Everyone may subscribe to the channel that is named like their " +
      "user id; an id with a `:` that a token or the webhook gave opens nothing. And clients of " +
      "the signalling protocol, which knows no permissions, may do everything in channels for " +
      "which no namespace is declared, where the app's `signalling` is `open`: that is the " +
      "default of an app with a public key and, in development without any public key, of the " +
      'app `default`. Declare a namespace to protect its channels, the namespace `""` to protect ' +
      "all that have none, or write `signalling: closed`.",
  ),
  paragraph(
    `A permission is a list of at most ${MAX_PATTERNS} channel patterns for each of ` +
      `\`subscribe\`, \`publish\` and \`presence\`. A pattern is a name of at most ` +
      `${MAX_NAME_LENGTH} characters in which each \`*\` stands for any run of characters, also ` +
      "none: `*`, `chat:*`, `user:*:inbox`. Permissions add to what a namespace allows, and never " +
      "narrow it. Never put a name that a user chose into a pattern while it may hold a `*`.",
  ),
];

const tokenSection: readonly string[] = [
  "## Tokens",
  paragraph(
    `A JSON Web Token of at most ${MAX_JWT_LENGTH} characters is accepted with these claims. Claims ` +
      "that are not listed are ignored.",
  ),
  table(
    ["Claim", "Meaning"],
    [
      [
        "`exp`",
        "required: seconds since 1970 at which the token, and a connection that was let in with it, ends",
      ],
      ["`nbf`", "seconds since 1970 before which it is not accepted"],
      ["`sub`", "the user id"],
      ["`app`", "the app; without it `default`"],
      [
        `\`${PERMISSIONS_CLAIM}\``,
        `the permissions: \`{"subscribe": ["chat:*"], "publish": [], "presence": []}\`, each optional`,
      ],
      ["`iss`, `aud`", "checked where `JWT_ISSUER`, `JWT_AUDIENCE` are set"],
    ],
  ),
];

const webhookSection: readonly string[] = [
  "## The webhook",
  paragraph(
    "`AUTH_WEBHOOK_URL` gets a POST with a JSON object: `time` (ms since 1970), `address`, " +
      "`transport` (`socket.io`, `signalling` or `sse`) and, where they are known, `app`, `key`, " +
      "`id`, `token` and `origin`. Refuse what is unsigned or old.",
  ),
  table(
    ["Answer", "Effect"],
    [
      [
        '200 `{"app", "user", "permissions", "ttlSeconds"}`, each optional',
        "the connection is let in, until `ttlSeconds` are over; an unknown key makes the answer invalid",
      ],
      ['401, 403 `{"message"}`', "it is refused, with that message"],
      [
        "500 to 599, none in time, or unreachable",
        "the question is asked again, `AUTH_WEBHOOK_RETRIES` times; then the connection is refused with an error of its own, and may try later",
      ],
      ["anything else, a redirect included", "likewise, without asking again"],
    ],
  ),
];
