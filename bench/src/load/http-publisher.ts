import type { HttpPeer, Publisher, PublishRequest } from "../peers/peer.ts";

/** Posts to a peer over HTTPS; where the peer has no batches, it posts several messages at once. */
export function httpPublisher(url: URL, peer: HttpPeer): Promise<Publisher> {
  const [endpoint] = peer.endpoints;
  return Promise.resolve({
    publish: async (channel, data) => {
      const requests =
        data.length > 1 && peer.batch !== undefined
          ? [peer.batch(channel, data)]
          : data.map((one) => endpoint.request(channel, one));
      await Promise.all(requests.map((request) => post(url, request)));
    },
  });
}

async function post(url: URL, request: PublishRequest): Promise<void> {
  const response = await fetch(new URL(request.path, url), {
    method: "POST",
    headers: { "Content-Type": request.contentType },
    body: request.body,
    // The servers' certificates are self-made for this run.
    tls: { rejectUnauthorized: false },
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${request.path} answered ${response.status}: ${text}`);
}
