import { type Answer, allAnswers, whenAnswered } from "../../answer.ts";
import { ChannelPattern } from "../../auth/channel-pattern.ts";
import type { ChannelAction, Identity, Permissions } from "../../auth/identity.ts";
import type { TokenBucketState } from "../../limits/token-bucket.ts";
import type { Follower, Following, SessionMover } from "../engine/cluster.ts";
import type { EngineSession } from "../engine/session.ts";
import type { FollowedConnection, MovableApplication } from "./application.ts";
import { SocketIoClient } from "./client.ts";
import { SocketIoConnection } from "./connection.ts";
import type { SocketIoServer } from "./server.ts";
import { Standing, type StandingState } from "./standing.ts";

type Session<Info> = EngineSession<SocketIoClient<Info>>;

/** What goes with a session to another worker. */
interface ClientState<Info> {
  /** What the application remembered of the handshake. */
  readonly info: Info;
  readonly connections: readonly ConnectionState[];
  /** The messages so far of a packet that is half read. */
  readonly halfRead: readonly (string | Uint8Array)[];
}

interface ConnectionState {
  readonly id: string;
  readonly namespace: string;
  readonly channels: readonly string[];
  readonly identity: IdentityState;
  readonly bucket: TokenBucketState | undefined;
  readonly standing: StandingState | undefined;
}

/** An identity whose permissions are their patterns' text. */
type IdentityState = Omit<Identity, "permissions"> & {
  readonly permissions?: Readonly<Record<ChannelAction, readonly string[]>> | undefined;
};

/** Takes Socket.IO clients from one worker to another. */
export class SocketIoMover<Info> implements SessionMover<SocketIoClient<Info>> {
  readonly #server: SocketIoServer<Info>;
  readonly #application: MovableApplication<Info>;

  constructor(server: SocketIoServer<Info>, application: MovableApplication<Info>) {
    this.#server = server;
    this.#application = application;
  }

  describe(session: Session<Info>): readonly FollowedConnection[] {
    return Array.from(session.data.connections, (connection) => ({
      id: connection.id,
      app: connection.app,
      user: connection.user,
      channels: this.#application.channelsOf(connection),
      isRecoverable: connection.standing !== undefined,
    }));
  }

  caughtUp(session: Session<Info>): Answer<void> {
    const answers = Array.from(session.data.connections, (connection) =>
      this.#application.caughtUp(connection),
    );
    return whenAnswered(allAnswers(answers), () => {});
  }

  release(session: Session<Info>): ClientState<Info> {
    const { info, connections, halfRead } = session.data;
    const state = {
      info,
      connections: Array.from(connections, (each) => this.#stateOf(each)),
      halfRead,
    };
    this.#server.released(session);
    return state;
  }

  follow(description: unknown, follower: Follower): Following {
    const shadows: Following[] = [];
    const stop = (): void => {
      for (const shadow of shadows) shadow.stop();
    };
    try {
      for (const connection of description as readonly FollowedConnection[]) {
        shadows.push(this.#application.follow(connection, follower));
      }
    } catch (error) {
      stop();
      throw error;
    }
    const all = (answers: readonly Answer<void>[]) => whenAnswered(allAnswers(answers), () => {});
    return {
      ready: all(shadows.map((shadow) => shadow.ready)),
      caughtUp: () => all(shadows.map((shadow) => shadow.caughtUp())),
      stop,
    };
  }

  createData(state: unknown): SocketIoClient<Info> {
    const { info, halfRead } = state as ClientState<Info>;
    const client = new SocketIoClient(info);
    for (const message of halfRead) client.read(message);
    return client;
  }

  restore(session: Session<Info>, state: unknown): void {
    const { connections } = state as ClientState<Info>;
    for (const { id, namespace, channels, identity, bucket, standing } of connections) {
      const connection = new SocketIoConnection(id, namespace, session);
      connection.identity = identityFrom(identity);
      connection.standing = standing === undefined ? undefined : new Standing(standing);
      session.data.add(connection);
      connection.resume(bucket);
      this.#application.restored(connection, channels);
    }
    this.#server.resumed(session);
  }

  #stateOf(connection: SocketIoConnection<Info>): ConnectionState {
    const { id, namespace, identity, bucket } = connection;
    const channels = this.#application.channelsOf(connection);
    const standing = connection.standing?.state;
    return { id, namespace, channels, identity: stateOf(identity), bucket, standing };
  }
}

function stateOf(identity: Identity): IdentityState {
  const { permissions, ...rest } = identity;
  return permissions === undefined
    ? rest
    : { ...rest, permissions: mapActions(permissions, (patterns) => patterns.map(textOf)) };
}

function identityFrom({ permissions, ...rest }: IdentityState): Identity {
  if (permissions === undefined) return rest;
  const granted: Permissions = mapActions(permissions, (texts) =>
    texts.map((text) => new ChannelPattern(text)),
  );
  return { ...rest, permissions: granted };
}

function textOf({ text }: ChannelPattern): string {
  return text;
}

function mapActions<T, U>(
  { subscribe, publish, presence }: Readonly<Record<ChannelAction, T>>,
  map: (value: T) => U,
): Record<ChannelAction, U> {
  return { subscribe: map(subscribe), publish: map(publish), presence: map(presence) };
}
