import { httpsCall } from "./https.ts";

/** What the publisher API answered, and with which status. */
interface Answer {
  readonly status: number;
  readonly error?: { readonly code: number; readonly name: string; readonly message: string };
  readonly [field: string]: unknown;
}

/** A request with a JSON body to the publisher API of a node. */
export async function post(
  node: { readonly publisherUrl: string; readonly ca: string },
  path: string,
  request: object,
): Promise<Answer> {
  const body = JSON.stringify(request);
  const { status, text } = await httpsCall(`${node.publisherUrl}${path}`, node.ca, { body });
  return { status, ...JSON.parse(text) };
}
