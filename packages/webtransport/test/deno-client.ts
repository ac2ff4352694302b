/**
 * Deno's own WebTransport client: does what its lines of input say, and prints what came of it.
 *
 * Usage: deno run --unstable-net --allow-net deno-client.ts URL HASH
 */
import process from "node:process";
import { createInterface } from "node:readline";

const [url = "", hash = ""] = process.argv.slice(2);
const decoder = new TextDecoder();
const encoder = new TextEncoder();

function print(event: string, fields: object = {}): void {
  console.log(JSON.stringify({ event, ...fields }));
}

/** Sends a line: to close the writer of such a stream does not end it (Deno 2.9). */
async function sendLine(writable: WritableStream<Uint8Array>, text: string): Promise<void> {
  await writable.getWriter().write(encoder.encode(`${text}\n`));
}

/** Reads a line, or to the end. */
async function readLine(readable: ReadableStream<Uint8Array> | undefined): Promise<string> {
  let text = "";
  for await (const bytes of readable ?? []) {
    text += decoder.decode(bytes);
    if (text.endsWith("\n")) break;
  }
  return text.trimEnd();
}

const session = new WebTransport(url, {
  serverCertificateHashes: [
    {
      algorithm: "sha-256",
      value: Uint8Array.from(atob(hash), (character) => character.charCodeAt(0)),
    },
  ],
});
session.closed.then(
  () => print("ended"),
  (error: unknown) => print("ended", { error: `${error}` }),
);
try {
  await session.ready;
} catch (error) {
  print("refused", { error: `${error}` });
  process.exit(0);
}
print("ready");
const datagrams = session.datagrams.writable.getWriter();
const heard = session.datagrams.readable.getReader();
const news = session.incomingUnidirectionalStreams.getReader();
const questions = session.incomingBidirectionalStreams.getReader();

for await (const line of createInterface({ input: process.stdin })) {
  const [command = "", text = ""] = line.split(" ");
  if (command === "datagram") {
    await datagrams.write(encoder.encode(text));
    print("datagram", { text: decoder.decode((await heard.read()).value) });
  } else if (command === "ask") {
    const stream = await session.createBidirectionalStream();
    await sendLine(stream.writable, text);
    print("answer", { text: await readLine(stream.readable) });
  } else if (command === "news") {
    await sendLine(await session.createUnidirectionalStream(), text);
    print("news", { text: await readLine((await news.read()).value) });
  } else if (command === "answer") {
    await datagrams.write(encoder.encode("ask|question"));
    const { value } = await questions.read();
    if (value !== undefined) await sendLine(value.writable, `${await readLine(value.readable)}!`);
  } else if (command === "close") {
    session.close({ closeCode: 7, reason: "done" });
  } else if (command === "quit") {
    session.close({ closeCode: 0, reason: "" });
    setTimeout(() => process.exit(0), 50);
  } else {
    await datagrams.write(encoder.encode(command));
  }
}
