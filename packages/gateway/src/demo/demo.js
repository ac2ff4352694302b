import { EventList } from "./event-list.js";

/** How long an acknowledgement may take, in milliseconds. */
const ANSWER_TIMEOUT_MS = 5_000;
const DEFAULT_CHANNEL = "demo:hello";

const byId = (id) => document.getElementById(id);
const events = new EventList({ list: byId("events"), count: byId("count"), empty: byId("empty") });

/** The address of the page keeps the choices, so that a reload or a link opens the same page. */
const address = new URL(location.href);
let channel = address.searchParams.get("channel") || DEFAULT_CHANNEL;
let socket;

byId("channel").value = channel;
byId("transport").value = address.searchParams.get("transport") ?? "";
byId("user").value = address.searchParams.get("user") ?? "";

byId("subscribe-form").addEventListener("submit", (submission) => {
  submission.preventDefault();
  changeChannel(byId("channel").value);
});
byId("connection-form").addEventListener("submit", (submission) => {
  submission.preventDefault();
  remember("transport", byId("transport").value);
  remember("user", byId("user").value);
  connect();
});
byId("disconnect").addEventListener("click", () => socket.disconnect());
byId("publish-form").addEventListener("submit", (submission) => {
  submission.preventDefault();
  void publish();
});
byId("clear").addEventListener("click", () => events.clear());
byId("copy").addEventListener("click", copyCommand);

connect();
void showCommand();

function connect() {
  socket?.disconnect();
  const transport = byId("transport").value;
  const user = byId("user").value;
  const token = byId("token").value;
  const current = io({
    forceNew: true,
    ...(transport !== "" && { transports: [transport] }),
    ...(user !== "" && { query: { uniqueUserId: user } }),
    ...(token !== "" && { auth: { token } }),
  });
  socket = current;
  showState("connecting", "Connecting");

  current.on("connect", () => {
    showConnected(current);
    current.io.engine.once("upgrade", () => showConnected(current));
    void subscribe();
  });
  current.on("disconnect", (reason) => {
    showState("disconnected", `Disconnected: ${reason}${retrying(current)}`);
    showSubscription("Not subscribed.");
  });
  current.on("connect_error", (error) => {
    showState("disconnected", `Not connected: ${error.message}${retrying(current)}`);
    showSubscription("Not subscribed.");
  });
  current.io.on("reconnect_attempt", (attempt) => {
    showState("connecting", `Connecting again, attempt ${attempt}`);
  });
  current.onAny((name, ...values) => events.add(name, values));
}

/** The client comes back by itself unless one of the two sides wanted the end. */
function retrying(current) {
  return current.active ? "; trying again" : "";
}

function showConnected(current) {
  const { name } = current.io.engine.transport;
  const transport = name === "polling" ? "long-polling" : "WebSocket";
  showState("connected", `Connected over ${transport}`);
}

function showState(state, text) {
  const element = byId("state");
  element.dataset.state = state;
  element.textContent = text;
  byId("connection-id").textContent = socket.id ?? "none";
}

function changeChannel(name) {
  if (name !== channel && socket.connected) {
    socket.emit("unsubscribe", { channel });
  }
  channel = name;
  remember("channel", channel === DEFAULT_CHANNEL ? "" : channel);
  void showCommand();
  if (socket.connected) void subscribe();
}

async function subscribe() {
  const asked = channel;
  showSubscription(`Subscribing to ${asked}`);
  const { error } = await request("subscribe", { channel: asked });
  if (asked !== channel) return;
  if (error === undefined) showSubscription(`Subscribed to ${asked}.`, "good");
  else showSubscription(`Not subscribed to ${asked}: ${describe(error)}`, "bad");
}

async function publish() {
  const started = performance.now();
  const { error, subscribers } = await request("publish", {
    channel,
    event: byId("event").value,
    data: jsonOrText(byId("data").value),
  });
  const took = Math.round(performance.now() - started);
  if (error === undefined) {
    const whom = subscribers === 1 ? "1 subscriber" : `${subscribers} subscribers`;
    showAnswer(`Acknowledged after ${took} ms, delivered to ${whom}.`, "good");
  } else {
    showAnswer(describe(error), "bad");
  }
}

/** The gateway's answer, or an error in the same form when none came. */
async function request(name, argument) {
  if (!socket.connected) return { error: { message: "There is no connection." } };
  try {
    return await socket.timeout(ANSWER_TIMEOUT_MS).emitWithAck(name, argument);
  } catch {
    return { error: { message: "The gateway did not answer." } };
  }
}

function describe({ code, name, message }) {
  return code === undefined ? message : `Error ${code} ${name}: ${message}`;
}

function jsonOrText(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function showSubscription(text, tone = "") {
  const element = byId("subscription");
  element.className = `note ${tone}`;
  element.textContent = text;
}

function showAnswer(text, tone) {
  const element = byId("answer");
  element.className = `answer ${tone}`;
  element.textContent = text;
}

async function showCommand() {
  const asked = channel;
  const line = await commandFor(asked).catch(() => "The gateway did not answer; reload this page.");
  if (asked === channel) byId("curl").textContent = line;
}

async function commandFor(name) {
  const response = await fetch(`/demo/config.json?${new URLSearchParams({ channel: name })}`);
  const { curl } = await response.json();
  return curl;
}

async function copyCommand() {
  const command = byId("curl");
  try {
    await navigator.clipboard.writeText(command.textContent);
    byId("copied").textContent = "Copied.";
  } catch {
    getSelection().selectAllChildren(command);
    byId("copied").textContent = "Selected; copy it with your keyboard.";
  }
}

function remember(name, value) {
  if (value === "") address.searchParams.delete(name);
  else address.searchParams.set(name, value);
  history.replaceState(null, "", address);
}
