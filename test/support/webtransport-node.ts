import { NodeUnderTest } from "./faults/node-under-test.ts";
import type { GatewayProcess } from "./gateway-process.ts";
import type { Host } from "./host.ts";
import { httpsCall } from "./https.ts";

/** What a node logs when its quic worker serves. */
export const LISTENING = "WebTransport listening";

/** Starts a node that serves WebTransport. */
export async function startQuicNode(
  workers: number,
  environment: Readonly<Record<string, string>>,
  host?: Host,
): Promise<NodeUnderTest> {
  const node = await NodeUnderTest.start(workers, { WEBTRANSPORT: "1", ...environment }, host);
  try {
    await node.process.nextLine(LISTENING);
    return node;
  } catch (error) {
    await node.stop();
    throw error;
  }
}

/** What a page is told, so that it trusts the certificate of the gateway. */
export async function certificateHash({ subscriberUrl, ca }: GatewayProcess): Promise<string> {
  const { text } = await httpsCall(`${subscriberUrl}/v1/certificate-hash`, ca);
  const { algorithm, value } = JSON.parse(text);
  if (algorithm !== "sha-256") throw new Error(`the hash of the certificate is ${algorithm}`);
  return value;
}
