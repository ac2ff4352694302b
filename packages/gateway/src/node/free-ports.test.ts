import { afterEach, beforeEach, expect, test } from "bun:test";
import { requireFreePorts } from "./free-ports.ts";

const HOST = "127.0.0.1";

let neighbour: Bun.Server<undefined>;
let taken: number;
beforeEach(() => {
  // A neighbour that shares its port, as the workers of another node do.
  neighbour = Bun.serve({ hostname: HOST, port: 0, reusePort: true, fetch: () => new Response() });
  taken = neighbour.port ?? 0;
});
afterEach(() => neighbour.stop(true));

const free = { host: HOST, singlePort: undefined, publisherPort: 0, subscriberPort: 0 };
type Ports = Parameters<typeof requireFreePorts>[0];

/** What the system says of the ports. */
function fault(ports: Partial<Ports>): Promise<unknown> {
  return requireFreePorts({ ...free, ...ports }).then(
    () => "free",
    (error: unknown) => (error instanceof Error && "code" in error ? error.code : error),
  );
}

test("a port of another node cannot be had, whichever of the two it is to be", async () => {
  expect(await fault({ publisherPort: taken })).toBe("EADDRINUSE");
  expect(await fault({ subscriberPort: taken })).toBe("EADDRINUSE");
  expect(await fault({ singlePort: taken })).toBe("EADDRINUSE");
});

test("ports that nobody has are free, again and again, and so are those of other addresses", async () => {
  await neighbour.stop(true);
  for (let round = 0; round < 2; round++) {
    expect(await fault({ publisherPort: taken })).toBe("free");
    expect(await fault({ singlePort: taken, publisherPort: 0 })).toBe("free");
  }
  neighbour = Bun.serve({ hostname: HOST, port: taken, fetch: () => new Response() });
  expect(await fault({ host: "127.0.0.2", subscriberPort: taken })).toBe("free");
});
