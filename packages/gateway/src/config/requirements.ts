import type { ConfigFault } from "./fault.ts";
import { type Settings, shown } from "./settings.ts";
import { type VariableKey, variables } from "./variables.ts";

/**
 * Whether clients that prove nothing come in: where that is said, and in development as long as
 * there is nothing to prove oneself with.
 */
export function admitsAnonymous(settings: Settings): boolean {
  const { values, production } = settings;
  if (values.tokenRequired !== undefined) return !values.tokenRequired;
  return !production && values.tokenSecret === undefined && !hasOtherProof(settings);
}

/** Whether clients can prove who they are otherwise than with the rotating token. */
function hasOtherProof(settings: Settings): boolean {
  const keys = ["jwtSecret", "jwtPublicKey", "jwtKeySetUrl", "webhookUrl"] as const;
  return keys.some((key) => settings.written(key) !== undefined);
}

/** The faults of settings that lack others, or contradict them. */
export function requirementFaults(settings: Settings): ConfigFault[] {
  const faults: ConfigFault[] = [];
  const need: Need = (key, isMet, message) => {
    if (isMet || settings.isFaulty(key)) return;
    const setting = settings.written(key);
    faults.push({
      variable: setting?.name ?? variables[key].name,
      value: setting && shown(key, setting.text),
      message,
    });
  };
  const nameOf = (key: VariableKey) => settings.written(key)?.name ?? variables[key].name;

  needCertificate(settings, need, nameOf);
  needToken(settings, need, nameOf);
  needPorts(settings, need, nameOf);
  need(
    "meshId",
    settings.values.natsUrl === undefined || settings.values.meshId !== undefined,
    `${nameOf("natsUrl")} needs the name of this node in its mesh, such as eu-1, which no other node has`,
  );
  const { verifyOrigin, caFile, useProxy, trustProxy = [] } = settings.values;
  if (verifyOrigin) {
    const message = `${nameOf("verifyOrigin")}=1 needs a PEM file of authorities`;
    need("caFile", caFile !== undefined, message);
  }
  if (useProxy) {
    const message = `${nameOf("useProxy")}=1 needs the addresses of the proxies`;
    need("trustProxy", trustProxy.length > 0, message);
  }
  return faults;
}

/** Reports `message` as a fault of a setting, where the requirement is not met. */
type Need = (key: VariableKey, isMet: boolean, message: string) => void;
type NameOf = (key: VariableKey) => string;

function needCertificate({ values, production }: Settings, need: Need, nameOf: NameOf): void {
  const { certFile, keyFile, allowedIps = [] } = values;
  if (production) {
    need("certFile", certFile !== undefined, "production needs a certificate, a PEM file");
    need(
      "keyFile",
      keyFile !== undefined,
      "production needs the key of its certificate, a PEM file",
    );
    need(
      "allowedIps",
      allowedIps.length > 0,
      "production needs the addresses that may publish, such as 192.0.2.10 or 10.0.0.0/8",
    );
  } else if (certFile === undefined) {
    need("certFile", keyFile === undefined, `${nameOf("keyFile")} needs its certificate`);
  } else {
    need("keyFile", keyFile !== undefined, `${nameOf("certFile")} needs its private key`);
  }
}

function needToken(settings: Settings, need: Need, nameOf: NameOf): void {
  const { values, production } = settings;
  if (settings.isFaulty("tokenRequired") || hasOtherProof(settings)) return;
  if (!(values.tokenRequired ?? production)) return;
  const asker = values.tokenRequired === undefined ? "production" : `${nameOf("tokenRequired")}=1`;
  need(
    "tokenSecret",
    values.tokenSecret !== undefined,
    `${asker} needs the secret of the rotating token, unless ${variables.jwtSecret.name}, ` +
      `${variables.jwtPublicKey.name}, ${variables.jwtKeySetUrl.name} or ${variables.webhookUrl.name} ` +
      `is set; ${variables.tokenRequired.name}=0 lets anybody subscribe`,
  );
}

function needPorts(settings: Settings, need: Need, nameOf: NameOf): void {
  const { singlePort, publisherPort, subscriberPort, verifyOrigin } = settings.values;
  if (singlePort === undefined) {
    const differ = publisherPort !== subscriberPort || publisherPort === 0;
    const message = `is the port of publishers (${nameOf("publisherPort")}); the two must differ`;
    // A port that is faulty itself has its default here, which nobody asked for.
    need("subscriberPort", differ || settings.isFaulty("publisherPort"), message);
    return;
  }
  for (const key of ["publisherPort", "subscriberPort"] as const) {
    const isSaid = settings.written(key)?.origin !== "default";
    need(
      key,
      !isSaid || settings.values[key] === singlePort,
      `is another port than ${nameOf("singlePort")}=${singlePort}, which is the only one`,
    );
  }
  need(
    "singlePort",
    !verifyOrigin,
    `cannot be set together with ${nameOf("verifyOrigin")}=1: browsers have no client certificate`,
  );
}
