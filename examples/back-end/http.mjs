// A back-end function that speaks in a channel under its own name, over HTTPS:
//
//   NODE_EXTRA_CA_CERTS=.starling/dev-cert.pem node examples/back-end/http.mjs demo:hello "It rains"
//
// API names another node, and API_KEY one of its API_KEYS.
const { API = "https://localhost:2053", API_KEY } = process.env;
const [channel = "demo:hello", text = "It rains"] = process.argv.slice(2);

const answer = await fetch(`${API}/api/publish`, {
  method: "POST",
  headers: API_KEY === undefined ? {} : { Authorization: `Bearer ${API_KEY}` },
  body: JSON.stringify({ channel, event: "forecast", data: { text }, publisher: "weather" }),
});
console.log(await answer.text());
if (!answer.ok) process.exitCode = 1;
