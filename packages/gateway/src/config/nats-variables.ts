import {
  anyText,
  natsDomain,
  natsPrefix,
  natsServers,
  oneOf,
  path,
  wholeNumber,
} from "./value-types.ts";
import type { Variable } from "./variable.ts";

/** The variables of a mesh of several nodes. */
export const natsVariables = {
  natsUrl: {
    name: "NATS_URL",
    group: "NATS",
    type: natsServers(),
    default: undefined,
    otherwise: "this node is alone",
    secret: true,
    description:
      "Servers of one NATS system, through which this node and others are a mesh; see " +
      "[several machines](../guide/mesh.md). `tls://` asks for TLS. A user and a password may stand " +
      "in the first address.",
    source: "Starling",
  },
  natsUser: {
    name: "NATS_USER",
    group: "NATS",
    type: anyText("the name of a user"),
    default: undefined,
    otherwise: "the one in `NATS_URL`, if any",
    description: "User that the node connects to NATS as.",
    source: "Starling",
  },
  natsPassword: {
    name: "NATS_PASSWORD",
    group: "NATS",
    type: anyText("a password"),
    default: undefined,
    otherwise: "the one in `NATS_URL`, if any",
    secret: true,
    description: "Password of that user.",
    source: "Starling",
  },
  natsToken: {
    name: "NATS_TOKEN",
    group: "NATS",
    type: anyText("a token"),
    default: undefined,
    otherwise: "none is sent",
    secret: true,
    description: "Token that the servers ask for.",
    source: "Starling",
  },
  natsCredentials: {
    name: "NATS_CREDENTIALS",
    group: "NATS",
    type: path("the path of a credentials file"),
    default: undefined,
    otherwise: "none are used",
    description:
      "File with the JWT and the seed of a user, as `nsc` writes it, or with the seed of an nkey alone.",
    source: "Starling",
  },
  natsCa: {
    name: "NATS_CA",
    group: "NATS",
    type: path("the path of a PEM file"),
    default: undefined,
    otherwise: "the authorities that the system trusts",
    description:
      "Authorities that the certificates of the servers are checked against; asks for TLS.",
    source: "Starling",
  },
  natsCert: {
    name: "NATS_CERT",
    group: "NATS",
    type: path("the path of a PEM file"),
    default: undefined,
    otherwise: "none is shown",
    description: "Certificate that the node shows to the servers; asks for TLS.",
    source: "Starling",
  },
  natsKey: {
    name: "NATS_KEY",
    group: "NATS",
    type: path("the path of a PEM file"),
    default: undefined,
    otherwise: "there is no certificate",
    description: "Key of that certificate.",
    source: "Starling",
  },
  natsPrefix: {
    name: "NATS_PREFIX",
    group: "NATS",
    type: natsPrefix(),
    default: "starling",
    description:
      "With which all subjects and streams begin; nodes with different ones are different meshes.",
    source: "Starling",
  },
  natsJsDomain: {
    name: "NATS_JS_DOMAIN",
    group: "NATS",
    type: natsDomain(),
    default: undefined,
    otherwise: "the one of the servers that the node is connected to",
    description:
      "Domain of JetStream that keeps the histories and bans of the mesh, the same on all nodes; needed where regions " +
      "are [leaf nodes](../guide/regions.md#leaf-nodes).",
    source: "Starling",
  },
  natsReplicas: {
    name: "NATS_REPLICAS",
    group: "NATS",
    type: wholeNumber(1, 5),
    default: "1",
    description:
      "Servers of a cluster that keep each publication of a channel with history, and bans.",
    source: "Starling",
  },
  natsStorage: {
    name: "NATS_STORAGE",
    group: "NATS",
    type: oneOf(["file", "memory"]),
    default: "file",
    description:
      "What histories and bans are kept in, from when they are made. What is in `memory` is lost when the " +
      "server ends, and clients that come back are told.",
    source: "Starling",
  },
} as const satisfies Record<string, Variable>;
