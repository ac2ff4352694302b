import { describe, expect, test } from "bun:test";
import { listenFault } from "./listen-fault.ts";

const config = {
  host: "192.0.2.1",
  publisherPort: 443,
  subscriberPort: 8443,
  singlePort: undefined,
};
const names = {
  host: "HOST",
  publisherPort: "HTTP_PORT",
  subscriberPort: "CONSUMER_PORT",
  singlePort: "PORT",
};
const systemError = (code: string, message: string, cause?: unknown) =>
  Object.assign(new Error(message, { cause }), { code });

/** What the runtime really throws for a port that is in use. */
function errorOfPortInUse(): { error: unknown; port: number } {
  const options = { hostname: "127.0.0.1", port: 0, fetch: () => new Response() };
  const first = Bun.serve(options);
  const port = first.port ?? 0;
  try {
    const second = Bun.serve({ ...options, port });
    second.stop(true);
    throw new Error("the port could be used twice");
  } catch (error) {
    return { error, port };
  } finally {
    first.stop(true);
  }
}

describe("an address that cannot be listened on", () => {
  test("names the variable of the port that is in use", () => {
    const { error, port } = errorOfPortInUse();
    const fault = listenFault(error, { ...config, subscriberPort: port }, names);
    expect(fault?.message).toBe(`CONSUMER_PORT=${port}: the port is in use`);
    expect(fault?.exitCode).toBe(69);
  });

  test("names the variable, as it was written, of a port that needs a privilege", () => {
    const error = systemError("EACCES", "permission denied 0.0.0.0:443");
    const fault = listenFault(error, config, names);
    expect(fault?.message).toStartWith("HTTP_PORT=443: this user may not listen");
    expect(fault?.exitCode).toBe(77);
  });

  test("names the host that this machine does not have", () => {
    const error = systemError("EADDRNOTAVAIL", "EADDRNOTAVAIL: address not available, listen");
    expect(listenFault(error, config, names)?.message).toStartWith("HOST=192.0.2.1: ");
  });

  test("names both ports where the message tells none", () => {
    const fault = listenFault(systemError("EADDRINUSE", "in use"), config, names);
    expect(fault?.message).toStartWith("HTTP_PORT=443 or CONSUMER_PORT=8443: ");
  });

  test("names the one port where there is only one", () => {
    const one = { ...config, publisherPort: 443, subscriberPort: 443, singlePort: 443 };
    const fault = listenFault(systemError("EADDRINUSE", "in use"), one, names);
    expect(fault?.message).toBe("PORT=443: the port is in use");
  });

  test("is found behind an error that wraps it", () => {
    const cause = systemError("EADDRINUSE", "Failed to start server. Is port 8443 in use?");
    const fault = listenFault(new Error("cannot start", { cause }), config, names);
    expect(fault?.message).toBe("CONSUMER_PORT=8443: the port is in use");
  });

  test("is told from other errors", () => {
    expect(listenFault(new Error("else"), config, names)).toBeUndefined();
    expect(listenFault("text", config, names)).toBeUndefined();
  });
});
