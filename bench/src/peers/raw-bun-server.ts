import { readFileSync } from "node:fs";

const { CERTIFICATE = "", KEY = "" } = process.env;
const tls = { cert: readFileSync(CERTIFICATE, "utf8"), key: readFileSync(KEY, "utf8") };

const topicOf = (url: string): string => new URL(url).searchParams.get("topic") ?? "";

const subscribers = Bun.serve<{ topic: string }>({
  hostname: "127.0.0.1",
  port: 0,
  tls,
  fetch(request, server) {
    const upgraded = server.upgrade(request, { data: { topic: topicOf(request.url) } });
    return upgraded ? undefined : new Response("Upgrade Required", { status: 426 });
  },
  websocket: {
    open: (socket) => {
      socket.subscribe(socket.data.topic);
    },
    message: (socket, message) => {
      socket.publish(socket.data.topic, message);
    },
  },
});

const publisher = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  tls,
  routes: {
    "/ok": { POST: () => new Response("OK") },
    "/publish": {
      POST: async (request) => {
        subscribers.publish(topicOf(request.url), await request.text());
        return new Response("OK");
      },
    },
    "/batch": {
      POST: async (request) => {
        const topic = topicOf(request.url);
        for (const message of (await request.text()).split("\n")) {
          subscribers.publish(topic, message);
        }
        return new Response("OK");
      },
    },
  },
});

console.log(JSON.stringify({ msg: "publisher API listening", url: String(publisher.url) }));
console.log(JSON.stringify({ msg: "subscriber listener listening", url: String(subscribers.url) }));

// The bench holds the other end: when it is gone, nobody needs this server.
process.stdin.on("end", () => process.exit(0)).resume();
