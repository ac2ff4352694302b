import { readFileSync } from "node:fs";
import {
  type InspectedCertificate,
  keyMatches,
  readCertificate,
  readCertificates,
  readPrivateKey,
  validityProblem,
} from "../certificates/inspect.ts";

/** The paths that are to be checked; undefined ones are not. */
export interface TlsFiles {
  readonly certFile: string | undefined;
  readonly keyFile: string | undefined;
  readonly caFile: string | undefined;
}

/** What is wrong with one of the files. */
export interface TlsFileProblem {
  readonly file: keyof TlsFiles;
  readonly message: string;
  /** Where a gateway can start although there is the problem. */
  readonly tolerated: "never" | "in development" | "always";
}

/** Reads the files as the listeners will, and answers everything that is wrong with them. */
export function tlsFileProblems(files: TlsFiles, now: number): readonly TlsFileProblem[] {
  const problems: TlsFileProblem[] = [];
  const report = (
    file: keyof TlsFiles,
    message: string,
    tolerated: TlsFileProblem["tolerated"] = "never",
  ): undefined => {
    problems.push({ file, message, tolerated });
  };

  const certPem = textOf(files.certFile);
  const keyPem = textOf(files.keyFile);
  const caPem = textOf(files.caFile);
  if (certPem?.fault !== undefined) report("certFile", certPem.fault);
  if (keyPem?.fault !== undefined) report("keyFile", keyPem.fault);
  if (caPem?.fault !== undefined) report("caFile", caPem.fault);

  const certificate =
    certPem?.text === undefined
      ? undefined
      : (readCertificate(certPem.text) ?? report("certFile", "is no PEM certificate"));
  const key =
    keyPem?.text === undefined
      ? undefined
      : (readPrivateKey(keyPem.text) ??
        report("keyFile", "is no PEM private key without a password"));

  const validity = certificate && validityProblem(certificate, now);
  if (validity !== undefined) report("certFile", validity.message, "in development");
  if (certificate !== undefined && key !== undefined && !keyMatches(certificate, key)) {
    report("keyFile", "is not the private key of the certificate");
  }
  if (caPem?.text !== undefined) {
    const authorities = certificatesOf(caPem.text);
    if (authorities.length === 0) report("caFile", "holds no PEM certificate");
    const faulty = authorities.map((authority) => validityProblem(authority, now));
    // While one of them is good, clients can come in, as in the time of a change of authority.
    const tolerated = faulty.includes(undefined) ? "always" : "in development";
    for (const [index, problem] of faulty.entries()) {
      if (problem === undefined) continue;
      const which = authorities.length === 1 ? "" : `certificate ${index + 1} `;
      report("caFile", `${which}${problem.message}`, tolerated);
    }
  }
  return problems;
}

function textOf(path: string | undefined): { text?: string; fault?: string } | undefined {
  if (path === undefined) return undefined;
  try {
    return { text: readFileSync(path, "utf8") };
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : error;
    return { fault: `cannot be read (${String(code)})` };
  }
}

function certificatesOf(pem: string): readonly InspectedCertificate[] {
  try {
    return readCertificates(pem);
  } catch {
    return [];
  }
}
