import type { Way } from "../webtransport-framing.ts";

/** What the process with the sessions is told, one line of JSON each; bytes are base64. */
export type Order =
  | {
      readonly order: "open";
      readonly session: number;
      readonly url: string;
      /** Of the certificate that is trusted. */
      readonly hash: string;
      /** What opening may take, ms: nobody answers for a port that is closed. */
      readonly openMs: number;
    }
  | {
      readonly order: "send";
      readonly session: number;
      readonly way: "stream" | "datagram";
      readonly bytes: string;
    }
  | { readonly order: "close"; readonly session: number };

/** What it tells. */
export type News =
  | { readonly news: "opened"; readonly session: number }
  | {
      readonly news: "messages";
      readonly session: number;
      readonly messages: readonly (readonly [Way, string])[];
    }
  /** The server has ended its side of the stream, as it does before it closes the session. */
  | { readonly news: "finished"; readonly session: number }
  /** The session has ended, or was never there. */
  | { readonly news: "ended"; readonly session: number; readonly why: string };
