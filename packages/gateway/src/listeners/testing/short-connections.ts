import { connect as connectTcp } from "node:net";
import { connect as connectTls } from "node:tls";

export interface ShortConnectionsOptions {
  readonly host: string;
  readonly port: number;
  /** The certificate to trust; undefined for plain HTTP. */
  readonly ca: string | undefined;
}

const REQUEST = "GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
const EVERY_MS = 2;

/** The body of the answer to a request on a connection of its own. */
export function ask({ host, port, ca }: ShortConnectionsOptions): Promise<string> {
  return new Promise((answered, failed) => {
    const socket =
      ca === undefined
        ? connectTcp({ host, port })
        : connectTls({ host, port, ca, servername: "" });
    let answer = "";
    socket.once(ca === undefined ? "connect" : "secureConnect", () => socket.write(REQUEST));
    socket.on("data", (chunk: Buffer) => {
      answer += chunk.toString();
    });
    socket.once("error", failed);
    socket.once("close", () => {
      const [head = "", body = ""] = answer.split("\r\n\r\n");
      if (head.startsWith("HTTP/1.1 200")) answered(body);
      else failed(new Error(`the connection ended with ${JSON.stringify(answer)}`));
    });
  });
}

/** Opens connections, about 500 a second, until `stop`, which answers what became of those that failed. */
export function shortConnections(options: ShortConnectionsOptions) {
  const answers: Promise<string>[] = [];
  const timer = setInterval(() => {
    const answer = ask(options);
    // What is refused while nobody waits yet is not unhandled: `stop` looks at every outcome.
    answer.catch(() => undefined);
    answers.push(answer);
  }, EVERY_MS);
  return {
    /** How many there were so far. */
    get made() {
      return answers.length;
    },
    async stop(): Promise<string[]> {
      clearInterval(timer);
      const outcomes = await Promise.allSettled(answers);
      return outcomes.flatMap((each) => (each.status === "rejected" ? [String(each.reason)] : []));
    },
  };
}
