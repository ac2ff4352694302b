import { join } from "node:path";

/** Where the development certificate lies in a state folder, PEM. */
export function developmentCertificateFile(stateDir: string): string {
  return join(stateDir, "dev-cert.pem");
}

/** Where the key of the development certificate lies in a state folder, PEM. */
export function developmentKeyFile(stateDir: string): string {
  return join(stateDir, "dev-key.pem");
}
