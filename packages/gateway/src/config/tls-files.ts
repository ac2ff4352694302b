import { readFileSync } from "node:fs";
import {
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
  /** A certificate outside its validity can be served, so that development starts with it. */
  readonly startable: boolean;
}

/** Reads the files as the listeners will, and answers everything that is wrong with them. */
export function tlsFileProblems(files: TlsFiles, now: number): readonly TlsFileProblem[] {
  const problems: TlsFileProblem[] = [];
  const report = (file: keyof TlsFiles, message: string, startable = false): undefined => {
    problems.push({ file, message, startable });
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
  if (validity !== undefined) report("certFile", validity.message, true);
  if (certificate !== undefined && key !== undefined && !keyMatches(certificate, key)) {
    report("keyFile", "is not the private key of the certificate");
  }
  if (caPem?.text !== undefined && !holdsCertificates(caPem.text)) {
    report("caFile", "holds no PEM certificate");
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

function holdsCertificates(pem: string): boolean {
  try {
    return readCertificates(pem).length > 0;
  } catch {
    return false;
  }
}
