import { readFileSync } from "node:fs";
import { createServer } from "node:https";
import { BlockList, isIPv6 } from "node:net";
import express from "express";
import { Server } from "socket.io";

const tls = {
  cert: readFileSync(process.env.CERTIFICATE),
  key: readFileSync(process.env.KEY),
};

const pattern = /^[a-fA-F0-9]{8}-[a-fA-F0-9]{4}-[a-fA-F0-9]{4}-[a-fA-F0-9]{4}-[a-fA-F0-9]{12}$/;

const allowed = new BlockList();
allowed.addSubnet("127.0.0.0", 8, "ipv4");
allowed.addAddress("::1", "ipv6");

const subscribers = createServer(tls);
const io = new Server(subscribers, { serveClient: false });
io.on("connection", (socket) => {
  socket.join(socket.handshake.query.uniqueUserId);
});

const app = express();
app.disable("x-powered-by");
app.use((request, response, next) => {
  const address = request.socket.remoteAddress ?? "";
  const plain = address.startsWith("::ffff:") ? address.slice(7) : address;
  if (allowed.check(plain, isIPv6(plain) ? "ipv6" : "ipv4")) next();
  else response.status(403).send("Forbidden");
});
app.use(express.json());
app.post("/publish", (request, response) => {
  const { target_id: target, ...rest } = request.body;
  if (typeof target !== "string" || !pattern.test(target)) {
    response.status(400).send("BAD REQUEST");
    return;
  }
  io.to(target).emit(target, rest);
  response.status(200).send("OK");
});
app.post("/batch", (request, response) => {
  const { target_id: target, messages } = request.body;
  if (typeof target !== "string" || !pattern.test(target)) {
    response.status(400).send("BAD REQUEST");
    return;
  }
  for (const message of messages) io.to(target).emit(target, message);
  response.status(200).send("OK");
});
const publisher = createServer(tls, app);

const listen = (server, message) => {
  server.listen(0, "127.0.0.1", () => {
    const url = `https://127.0.0.1:${server.address().port}/`;
    console.log(JSON.stringify({ msg: message, url }));
  });
};
listen(publisher, "publisher API listening");
listen(subscribers, "subscriber listener listening");

// The bench holds the other end: when it is gone, nobody needs this server.
process.stdin.on("end", () => process.exit(0)).resume();
