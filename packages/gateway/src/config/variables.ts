import { authVariables } from "./auth-variables.ts";
import { DAY_MS, GIB, MAX_TIMER_MS } from "./bounds.ts";
import { clusterVariables } from "./cluster-variables.ts";
import { hookVariables } from "./hook-variables.ts";
import { limitVariables } from "./limit-variables.ts";
import { meshVariables } from "./mesh-variables.ts";
import { natsVariables } from "./nats-variables.ts";
import { signallingVariables } from "./signalling-variables.ts";
import {
  addressList,
  anyText,
  flag,
  host,
  keyList,
  mode,
  oneOf,
  originList,
  path,
  pattern,
  port,
  wholeNumber,
} from "./value-types.ts";
import type { Variable } from "./variable.ts";

/** A shorter key is within reach of guessing. */
const MIN_KEY_LENGTH = 16;
const UUID_PATTERN =
  "^[a-fA-F0-9]{8}-[a-fA-F0-9]{4}-[a-fA-F0-9]{4}-[a-fA-F0-9]{4}-[a-fA-F0-9]{12}$";

/** Every variable that is read, in the order of the reference. */
export const variables = {
  mode: {
    name: "NODE_ENV",
    group: "General",
    type: mode(),
    default: "development",
    description:
      "`production` refuses to start without a certificate, an allow-list and a way for clients " +
      "to prove who they are, and serves no demo page. Anything else is development, but for what " +
      "looks like a misspelt `production`, which is a fault.",
    source: "both earlier generations",
  },
  configFile: {
    name: "CONFIG_FILE",
    group: "General",
    type: path("the path of a YAML or JSON file"),
    default: undefined,
    otherwise: "nothing is declared",
    description:
      "File with apps and namespaces; see [Apps and namespaces](#apps-and-namespaces). In " +
      "development there also is a namespace `demo` that is open to anyone, unless the file " +
      "declares one of that name.",
    source: "Starling",
  },
  stateDir: {
    name: "STATE_DIR",
    group: "General",
    type: path("the path of a folder"),
    default: ".starling",
    description:
      "Folder of the development certificate, of the pid file `starling.pid` and of the socket " +
      "`broker.sock`. It is created with mode 0700 where it does not exist. Each Starling that runs " +
      "at the same time needs one of its own.",
    source: "Starling",
  },
  drainSeconds: {
    name: "DRAIN_SECONDS",
    group: "General",
    type: wholeNumber(0, 3_600),
    unit: "seconds",
    default: "25",
    description:
      "How long a stop may take to let clients go a few at a time, so that they do not all come " +
      "back at once; see [stopping](../guide/running.md#stopping). At least 200 a second go, so that " +
      "few take no time. 0 closes all of them at once.",
    source: "Starling",
  },
  host: {
    name: "HOST",
    group: "Listening",
    type: host(),
    default: { development: "127.0.0.1", production: "::" },
    description:
      "Address that both ports are bound to. `::` is every address of the machine, IPv6 and IPv4; " +
      "`0.0.0.0` is every IPv4 address.",
    source: "Starling",
  },
  singlePort: {
    name: "PORT",
    group: "Listening",
    type: port(),
    default: undefined,
    otherwise: "publishers and subscribers have a port each",
    description:
      "One TCP port for publishers and subscribers, in the place of `PRODUCER_PORT` and " +
      "`CONSUMER_PORT`: see [one port](#one-port). 0 lets the system choose a free one.",
    source: "the presence backend",
  },
  webTransport: {
    name: "WEBTRANSPORT",
    group: "Listening",
    type: flag(),
    default: "1",
    description:
      "1 serves the signalling protocol and Socket.IO over WebTransport too, on the UDP port with the " +
      "number of the subscribers' TCP port. Where that cannot be had, a line of the log says why, and everything " +
      "else works; see [WebTransport](../guide/running.md#webtransport). 0 serves TCP alone.",
    source: "Starling",
  },
  denoPath: {
    name: "DENO_PATH",
    group: "Listening",
    type: path("the path of a program"),
    default: undefined,
    otherwise: "that of the npm package `deno`, or else the first `deno` in `PATH`",
    description: "The program of Deno that serves WebTransport, 2.9 or later.",
    source: "Starling",
  },
  publisherPort: {
    name: "PRODUCER_PORT",
    aliases: ["HTTP_PORT"],
    group: "Listening",
    type: port(),
    default: "2053",
    description: "TCP port of publishers (HTTPS). 0 lets the system choose a free one.",
    source: "both earlier generations",
  },
  subscriberPort: {
    name: "CONSUMER_PORT",
    aliases: ["STANDALONE_PORT", "WEBSOCKET_PORT"],
    group: "Listening",
    type: port(),
    default: "8443",
    description: "TCP port of subscribers (HTTPS and WSS). 0 lets the system choose a free one.",
    source: "both earlier generations",
  },
  certFile: {
    name: "PUB_KEY_PATH",
    aliases: ["CERT_FILE"],
    group: "TLS",
    type: path("the path of a PEM file"),
    default: undefined,
    otherwise: "development makes a certificate for localhost; production does not start",
    description: "Certificate of both ports, followed by its chain, PEM.",
    source: "both earlier generations",
  },
  keyFile: {
    name: "PRIV_KEY_PATH",
    aliases: ["KEY_FILE"],
    group: "TLS",
    type: path("the path of a PEM file"),
    default: undefined,
    otherwise: "development makes a key for localhost; production does not start",
    description: "Private key of the certificate, PEM, not encrypted.",
    source: "both earlier generations",
  },
  caFile: {
    name: "CA_PATH",
    group: "TLS",
    type: path("the path of a PEM file"),
    default: undefined,
    otherwise: "no client certificate can be checked",
    description: "Authorities that the client certificates of publishers are checked against, PEM.",
    source: "both earlier generations",
  },
  verifyOrigin: {
    name: "VERIFY_ORIGIN",
    group: "TLS",
    type: flag(),
    default: "0",
    description:
      "1 wants a client certificate from publishers (mutual TLS): a connection without one, or " +
      "with one that `CA_PATH` does not vouch for, is refused. Not together with `PORT`, since " +
      "browsers have no such certificate.",
    source: "both earlier generations",
  },
  allowedIps: {
    name: "ALLOWED_IPS",
    aliases: ["TRUST_CIDR_LIST"],
    group: "Publishers",
    type: addressList(),
    default: { development: "127.0.0.0/8,::1/128", production: undefined },
    otherwise: "production does not start",
    description:
      "Addresses that may publish; everybody else is answered 403. IPv4-mapped IPv6 addresses " +
      "count as IPv4.",
    source: "both earlier generations",
  },
  apiKeys: {
    name: "API_KEYS",
    group: "Publishers",
    type: keyList(MIN_KEY_LENGTH),
    default: undefined,
    otherwise: "the native publisher API asks for no key",
    secret: true,
    description:
      "Keys of the native publisher API (`/api/...`), sent as `Authorization: Bearer KEY`. The " +
      "requests of the earlier generations need none.",
    source: "Starling",
  },
  useProxy: {
    name: "USE_PROXY",
    group: "Publishers",
    type: flag(),
    default: "0",
    description:
      "1 takes the client address from `CF-Connecting-IP` or `X-Forwarded-For`, walked from the " +
      "right past the proxies of `TRUST_PROXY`. A peer that is no such proxy is refused.",
    source: "both earlier generations",
  },
  trustProxy: {
    name: "TRUST_PROXY",
    aliases: ["TRUST_PROXY_LIST"],
    group: "Publishers",
    type: addressList(),
    default: undefined,
    otherwise: "no proxy is trusted",
    description: "Addresses of the proxies in front; needed where `USE_PROXY` is 1.",
    source: "both earlier generations",
  },
  idempotencyWindowMs: {
    name: "IDEMPOTENCY_WINDOW",
    group: "Publishers",
    type: wholeNumber(0, DAY_MS),
    unit: "milliseconds",
    default: "300000",
    description: "How long a repeated `idempotencyKey` gets the first answer and is not delivered.",
    source: "Starling",
  },
  allowedOrigins: {
    name: "ALLOWED_ORIGINS",
    aliases: ["TRUST_ORIGIN_LIST"],
    group: "Subscribers",
    type: originList(),
    default: { development: "*", production: undefined },
    otherwise: "no page may connect, only clients that send no `Origin`",
    description:
      "Origins of the pages that may connect, for polling and for WebSocket. Write each one as " +
      "the browser sends it: scheme, host and port, no path.",
    source: "both earlier generations",
  },
  tokenRequired: {
    name: "WEBSOCKET_AUTH",
    group: "Subscribers",
    type: flag(),
    default: undefined,
    otherwise:
      "1 in production, and in development where `AUTH_TOKEN_SECRET`, a `JWT_...` key or " +
      "`AUTH_WEBHOOK_URL` is set; else 0",
    description:
      "Whether clients must prove who they are: with the rotating token, or otherwise, see [who " +
      "may do what](#who-may-do-what). 0 lets in those that prove nothing, whatever else is set, " +
      "but for the webhook: anybody may then subscribe to any id.",
    source: "the last earlier generation",
  },
  tokenSecret: {
    name: "AUTH_TOKEN_SECRET",
    aliases: ["WEBSOCKET_AUTH_TOKEN_SECRET"],
    group: "Subscribers",
    type: anyText("text that is hard to guess"),
    default: undefined,
    otherwise:
      "no rotating token is checked; production then starts only with a `JWT_...` key, " +
      "`AUTH_WEBHOOK_URL` or `WEBSOCKET_AUTH=0`",
    secret: true,
    description:
      "Secret of the rotating token, which is the SHA-512 of the secret followed by the UTC date " +
      "as `YEAR-MONTH-DAY` without leading zeros, in hexadecimal digits.",
    source: "both earlier generations",
  },
  tokenRenewStartHour: {
    name: "IO_TOKEN_RENEW_START_HOUR",
    aliases: ["WEBSOCKET_AUTH_TOKEN_RENEW_START_HOUR"],
    group: "Subscribers",
    type: wholeNumber(0, 23, "an hour"),
    unit: "hour of the day, UTC",
    default: "0",
    description: "Hour at which the day's first renewal of the token takes place.",
    source: "both earlier generations",
  },
  tokenRenewIntervalMs: {
    name: "IO_TOKEN_RENEW_INTERVAL",
    aliases: ["WEBSOCKET_AUTH_TOKEN_RENEW_INTERVAL"],
    group: "Subscribers",
    type: wholeNumber(1_000, 365 * DAY_MS),
    unit: "milliseconds",
    default: String(DAY_MS),
    description: "Time between renewals of the token, counted from the start hour of each day.",
    source: "both earlier generations",
  },
  tokenGraceMs: {
    name: "TOKEN_GRACE",
    group: "Subscribers",
    type: wholeNumber(0, DAY_MS - 1),
    unit: "milliseconds",
    default: "300000",
    description:
      "Around a change of token, how long the previous one is still accepted and the next one " +
      "already, so that nobody is locked out at that moment.",
    source: "Starling",
  },
  eventIdPattern: {
    name: "EVENT_ID_REGEX_VALIDATION_PATTERN",
    group: "Subscribers",
    type: pattern(),
    default: UUID_PATTERN,
    description:
      "What a user id looks like: `uniqueUserId` of a handshake, and `uuid` or `target_id` of the " +
      "publish requests of the earlier generations. Anchor it with `^` and `$`. The default is a " +
      "UUID.",
    source: "the last earlier generation",
  },
  ...authVariables,
  ...signallingVariables,
  ...limitVariables,
  pingIntervalMs: {
    name: "ENGINE_PING_INTERVAL",
    group: "Socket.IO",
    type: wholeNumber(100, MAX_TIMER_MS),
    unit: "milliseconds",
    default: "25000",
    description: "Time between the pings of the server (Engine.IO protocol 4, `pingInterval`).",
    source: "Starling",
  },
  pingTimeoutMs: {
    name: "ENGINE_PING_TIMEOUT",
    group: "Socket.IO",
    type: wholeNumber(100, MAX_TIMER_MS),
    unit: "milliseconds",
    default: "20000",
    description: "Time that a client has to answer a ping (Engine.IO protocol 4, `pingTimeout`).",
    source: "Starling",
  },
  maxPayloadBytes: {
    name: "ENGINE_MAX_PAYLOAD",
    group: "Socket.IO",
    type: wholeNumber(1, GIB),
    unit: "bytes",
    default: "1000000",
    description: "Largest message of a client (Engine.IO protocol 4, `maxPayload`).",
    source: "Starling",
  },
  recoverySeconds: {
    name: "RECOVERY_SECONDS",
    group: "Socket.IO",
    type: wholeNumber(0, DAY_MS / 1000),
    unit: "seconds",
    default: "120",
    description:
      "How long the state of a connection that broke is kept, so that its client goes on with the " +
      "same id and the same channels; see [recovery](../guide/recovery.md). 0 keeps none.",
    source: "Starling",
  },
  logsDir: {
    name: "LOGS_DIR",
    group: "Logs",
    type: path("the path of a folder"),
    default: undefined,
    otherwise: "JSON lines on standard output",
    description:
      "Folder of log files: a new file every day (UTC) and at 20 MB, the old one compressed with " +
      "gzip and kept for 30 days.",
    source: "the documented earlier generation",
  },
  logLevel: {
    name: "LOG_LEVEL",
    group: "Logs",
    type: oneOf(["trace", "debug", "info", "warn", "error", "silent"]),
    default: undefined,
    otherwise: "`debug` where `ENABLE_DEBUG` is 1 or `DEBUG` is `*`, else `info`",
    description: "The least severe line that is written.",
    source: "Starling",
  },
  enableDebug: {
    name: "ENABLE_DEBUG",
    group: "Logs",
    type: flag(),
    default: "0",
    description: "1 is the same as `LOG_LEVEL=debug`, which precedes it.",
    source: "the last earlier generation",
  },
  debug: {
    name: "DEBUG",
    group: "Logs",
    type: anyText("* for debug lines; anything else has no effect"),
    default: undefined,
    otherwise: "no effect",
    description: "`*` is the same as `LOG_LEVEL=debug`, which precedes it.",
    source: "the documented earlier generation",
  },
  ...hookVariables,
  ...clusterVariables,
  ...meshVariables,
  ...natsVariables,
} as const satisfies Record<string, Variable>;

export type VariableKey = keyof typeof variables;
