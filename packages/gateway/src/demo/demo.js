import { EventList } from "./event-list.js";

/** How long an acknowledgement may take, in milliseconds. */
const ANSWER_TIMEOUT_MS = 5_000;
const DEFAULT_CHANNEL = "demo:hello";
/** What people call the transports of the client. */
const TRANSPORT_NAMES = {
  polling: "long-polling",
  websocket: "WebSocket",
  webtransport: "WebTransport",
};

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
  /** The client looks into it at each attempt to connect. */
  const webtransport = {};
  const current = io({
    autoConnect: false,
    forceNew: true,
    ...(transport !== "" && { transports: [transport] }),
    transportOptions: { webtransport },
    // Over WebTransport the client sends no query, which could say who the user is, too.
    auth: {
      ...(user !== "" && { uniqueUserId: user }),
      ...(token !== "" && { token }),
    },
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
    // A gateway that was started anew may have made another certificate.
    if (transport === "webtransport") void trustCertificate(webtransport);
  });
  current.io.on("reconnect_attempt", (attempt) => {
    showState("connecting", `Connecting again, attempt ${attempt}`);
  });
  current.onAny((name, ...values) => events.add(name, values));
  if (transport === "webtransport") {
    void Promise.all([trustCertificate(webtransport), findHost(webtransport)]).then(
      () => socket === current && current.connect(),
    );
  } else {
    current.connect();
  }
}

/**
 * Makes the client take the certificate for WebTransport by its hash: what a person has allowed for
 * the page does not count there. A gateway whose certificate needs none of this has no hash.
 */
async function trustCertificate(options) {
  try {
    const response = await fetch("/v1/certificate-hash");
    if (!response.ok) return;
    const { algorithm, value } = await response.json();
    const bytes = Uint8Array.from(atob(value), (character) => character.charCodeAt(0));
    options.serverCertificateHashes = [{ algorithm, value: bytes }];
  } catch {
    // The gateway did not answer, which the attempt to connect is about to show.
  }
}

/** Browsers try one address of a name alone, which for localhost may be one that nobody listens on. */
async function findHost(options) {
  if (location.hostname !== "localhost") return;
  try {
    const { webTransportHost } = await configurationFor(channel);
    if (webTransportHost !== null) options.hostname = webTransportHost;
  } catch {
    // The gateway did not answer, which the attempt to connect is about to show.
  }
}

/** The client comes back by itself unless one of the two sides wanted the end. */
function retrying(current) {
  return current.active ? "; trying again" : "";
}

function showConnected(current) {
  const { name } = current.io.engine.transport;
  showState("connected", `Connected over ${TRANSPORT_NAMES[name]}`);
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
  const { curl, webTransportHost } = await configurationFor(asked).catch(() => ({
    curl: "The gateway did not answer; reload this page.",
  }));
  if (asked !== channel) return;
  byId("curl").textContent = curl;
  byId("webtransport").disabled = webTransportHost === null;
  byId("transport-hint").hidden = webTransportHost !== null;
}

async function configurationFor(name) {
  const response = await fetch(`/demo/config.json?${new URLSearchParams({ channel: name })}`);
  return response.json();
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
