import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { rootCertificates } from "node:tls";
import { developmentCertificateFile } from "../certificates/state-files.ts";
import { type CommandContext, settingsFor } from "./context.ts";
import { CommandError, exitCodes } from "./exit-codes.ts";

export interface PublishOptions {
  readonly event?: string;
  readonly app?: string;
  /** Address of the publisher port. Default: localhost and the configured port. */
  readonly url?: string;
  /** Default: the first of `API_KEYS`, where that is set. */
  readonly apiKey?: string;
  /** Trusts any certificate. */
  readonly insecure?: boolean;
  /** Files of a client certificate with its chain and of its key, PEM; both or neither. */
  readonly cert?: string;
  readonly key?: string;
}

const TIMEOUT_MS = 10_000;

/** `starling publish CHANNEL JSON`: sends one event and prints the answer. */
export async function publish(
  context: CommandContext,
  channel: string,
  json: string,
  options: PublishOptions,
): Promise<void> {
  const settings = settingsFor(context, [
    "stateDir",
    "apiKeys",
    "singlePort",
    "publisherPort",
    "certFile",
  ]);
  const { values } = settings;
  const url = endpoint(
    options.url ?? `https://localhost:${values.singlePort ?? values.publisherPort}`,
  );
  const apiKey = options.apiKey ?? values.apiKeys?.[0];
  const absolute = (path: string) => resolve(context.folder, path);
  const trusted = values.certFile === undefined ? [] : [absolute(values.certFile)];
  if (isThisMachine(url)) trusted.push(developmentCertificateFile(absolute(values.stateDir)));

  const response = await send(url, bodyOf(channel, json, options), apiKey, {
    rejectUnauthorized: options.insecure !== true,
    ...trustedBesideTheUsual(trusted),
    ...clientCertificate(options, absolute),
  });
  const answer = await response.text();
  if (!response.ok) {
    throw new CommandError(
      exitCodeOf(response.status),
      `${url.origin} answered ${response.status}: ${answer.trim()}`,
    );
  }
  context.out(`${answer.trimEnd()}\n`);
}

function endpoint(base: string): URL {
  const url = URL.parse(base);
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw new CommandError(exitCodes.usage, `--url ${JSON.stringify(base)} is no http(s) address`);
  }
  return new URL("/api/publish", url);
}

/** The request's JSON; the data is passed on as the text that it is, so that no digit changes. */
function bodyOf(channel: string, json: string, options: PublishOptions): string {
  try {
    JSON.parse(json);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new CommandError(exitCodes.dataError, `JSON cannot be read: ${reason}`);
  }
  const rest = JSON.stringify({ channel, event: options.event, app: options.app });
  return `${rest.slice(0, -1)},"data":${json}}`;
}

async function send(
  url: URL,
  body: string,
  apiKey: string | undefined,
  tls: Bun.TLSOptions & { readonly rejectUnauthorized: boolean },
): Promise<Response> {
  const headers = new Headers({ "content-type": "application/json" });
  if (apiKey !== undefined) headers.set("authorization", `Bearer ${apiKey}`);
  try {
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    return await fetch(url, { method: "POST", headers, body, signal, tls, redirect: "manual" });
  } catch (error) {
    throw new CommandError(exitCodes.unavailable, `${url.origin} ${failureOf(error)}`, {
      cause: error,
    });
  }
}

function failureOf(error: unknown): string {
  if (!(error instanceof Error)) return `cannot be reached: ${String(error)}`;
  if (error.name === "TimeoutError") return `did not answer within ${TIMEOUT_MS / 1000} seconds`;
  const code = "code" in error ? String(error.code) : "";
  if (/^(E[A-Z]+|ConnectionRefused)$/.test(code)) return `cannot be reached (${code})`;
  if (/CERT|SIGNATURE|ALTNAME/.test(code)) return `has a certificate that is not trusted (${code})`;
  return `cannot be reached: ${error.message}`;
}

function isThisMachine(url: URL): boolean {
  return ["localhost", "127.0.0.1", "[::1]"].includes(url.hostname);
}

/** Certificates of the gateway itself are trusted beside the usual authorities. */
function trustedBesideTheUsual(files: readonly string[]): TlsTrust {
  const certificates = files.flatMap((file) => {
    try {
      return [readFileSync(file, "utf8")];
    } catch {
      // The gateway may be on another machine, and its files too.
      return [];
    }
  });
  if (certificates.length === 0) return {};
  return { ca: [...rootCertificates, ...certificates], allowPartialTrustChain: true };
}

interface TlsTrust {
  readonly ca?: string[];
  /** Trusts a certificate of `ca` that an authority issued which is not known here. */
  readonly allowPartialTrustChain?: true;
}

function clientCertificate(
  { cert, key }: PublishOptions,
  absolute: (path: string) => string,
): { readonly cert?: string; readonly key?: string } {
  if (cert === undefined && key === undefined) return {};
  if (cert === undefined || key === undefined) {
    throw new CommandError(exitCodes.usage, "--cert and --key need each other");
  }
  return { cert: optionFile("--cert", absolute(cert)), key: optionFile("--key", absolute(key)) };
}

function optionFile(option: string, path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : error;
    throw new CommandError(exitCodes.usage, `${option} ${path} cannot be read (${String(code)})`);
  }
}

function exitCodeOf(status: number): number {
  if (status === 401 || status === 403) return exitCodes.noPermission;
  if (status === 429 || status === 503) return exitCodes.temporaryFailure;
  if (status >= 500) return exitCodes.unavailable;
  return exitCodes.dataError;
}
