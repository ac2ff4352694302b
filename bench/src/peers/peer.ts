/** A request to a peer's publisher API, sent as `POST` over HTTPS. */
export interface PublishRequest {
  readonly path: string;
  readonly contentType: string;
  readonly body: string;
}

/** One way to publish at a peer, measured by itself in the mode `publish`. */
export interface PublishEndpoint {
  readonly name: string;
  /** False for a floor that only answers: it is left out where deliveries are counted. */
  readonly delivers: boolean;
  /** `data` is JSON text. */
  request(channel: string, data: string): PublishRequest;
}

/** What a dialect may do with its connection. */
export interface SubscriberSession {
  readonly joined: boolean;
  /** Text as a text message, bytes as a binary one. */
  send(message: string | Uint8Array): void;
  /** Says that publications will be delivered to this connection from now on. */
  join(): void;
}

/** How one subscriber speaks to a peer over its WebSocket. */
export interface SubscriberDialect {
  /** Path and query of the WebSocket. */
  readonly path: string;
  opened(session: SubscriberSession): void;
  /** Takes one message, the bytes `buffer[start, end)`; answers how many publications it carried. */
  received(session: SubscriberSession, buffer: Buffer, start: number, end: number): number;
}

/** A started server. */
export interface RunningPeer {
  /** CPU time and memory are measured of this process and its descendants. */
  readonly pid: number;
  /** Other processes that it needs, which are ended after it and not measured. */
  readonly beside?: readonly number[];
  readonly urls: { readonly publisher: URL; readonly subscriber: URL };
  /** SHA-256 of its certificate, base64, where clients know it by that. */
  readonly certificateHash?: string;
}

/** A certificate for loopback, as PEM files. */
export interface CertificateFiles {
  readonly certificate: string;
  readonly key: string;
}

export interface StartContext {
  /** An empty folder that is removed after the run. */
  readonly directory: string;
  readonly certificate: CertificateFiles;
}

/** A server under test: how to start it. */
export interface Server {
  readonly name: string;
  /** Products and versions, for the report. */
  versions(): Record<string, string>;
  start(context: StartContext): Promise<RunningPeer>;
}

/** A backend that publishes to a peer. */
export interface Publisher {
  /** Publishes each of `data`, JSON texts, in one turn of the peer's event loop where it can. */
  publish(channel: string, data: readonly string[]): Promise<void>;
}

/** A server that backends publish to and subscribers listen at. */
export interface Peer extends Server {
  /** The dialect of a subscriber that receives what is published to `user`. */
  subscriber(user: string): SubscriberDialect;
  publisher(url: URL): Promise<Publisher>;
}

/** A peer that is published to over HTTPS. */
export interface HttpPeer extends Peer {
  /** The first one is used in `fanout`. */
  readonly endpoints: readonly [PublishEndpoint, ...PublishEndpoint[]];
  /** Publishes all of `data` in one turn of the peer's event loop; absent: nothing does. */
  batch?(channel: string, data: readonly string[]): PublishRequest;
}

/** A server whose clients are members of a channel and speak to one another in it. */
export interface PresencePeer extends Server {
  /** Path and query of a member's WebSocket. */
  memberPath(channel: string, id: string): string;
  /**
   * Whether a client joins by a signal that the server answers, and the server writes who has sent
   * what. Else it passes on what it gets, byte for byte, and opening the WebSocket is joining.
   */
  readonly speaksSignals: boolean;
  /** Whether a state may be left out when a later one of its member follows soon. */
  readonly conflates: boolean;
}
