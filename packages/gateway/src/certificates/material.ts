import { readFileSync } from "node:fs";
import type { Clock } from "@starling/core/ports.ts";
import type { Config } from "../config/config.ts";
import { developmentCertificate } from "./development.ts";

/** What a TLS listener needs, as PEM text. */
export interface TlsMaterial {
  /** The certificate with its chain. */
  readonly cert: string;
  readonly key: string;
  /** Authorities of client certificates; undefined when none are asked for. */
  readonly ca: string | undefined;
}

/**
 * Reads the configured certificate, or makes the development one.
 *
 * @param moment whether the node starts, or restarts, or one of its processes does
 */
export async function tlsMaterial(
  config: Pick<Config, "tls" | "stateDir">,
  clock: Pick<Clock, "now">,
  moment: "start" | "later",
): Promise<TlsMaterial> {
  const { certificate, caFile } = config.tls;
  const ca = caFile === undefined ? undefined : readFileSync(caFile, "utf8");
  if (certificate.kind === "development") {
    const { cert, key } = await developmentCertificate(config.stateDir, clock, moment);
    return { cert, key, ca };
  }
  return {
    cert: readFileSync(certificate.certFile, "utf8"),
    key: readFileSync(certificate.keyFile, "utf8"),
    ca,
  };
}
