import { errorBody, StarlingError } from "@starling/protocol/errors.ts";
import { type Answer, allAnswers, whenAnswered } from "../../answer.ts";
import type { Broker } from "../../broker/broker.ts";
import type { WorkerHandlers } from "../../broker/handlers.ts";
import type { Counters } from "../../hub/counters.ts";
import { Cursor } from "../../hub/cursor.ts";
import type { Hub } from "../../hub/hub.ts";
import { nameFault } from "../../hub/names.ts";
import { type AppConfig, optionsOf } from "../../hub/namespace.ts";
import { type Position, positionText } from "../../hub/position.ts";
import type { Beginning, Begun } from "../../hub/recovery.ts";
import type { Clock, Random } from "../../ports.ts";
import { createSessionId } from "../engine/session-id.ts";
import type { DisconnectReason } from "./application.ts";
import type { ClientInfo } from "./client-auth.ts";
import type { SocketIoConnection } from "./connection.ts";
import { type Claim, type KeptState, KeptStates } from "./kept-states.ts";
import { Returns } from "./returns.ts";
import { type ChannelStart, type Resumption, resumptions, Standing } from "./standing.ts";
import { returnWish, wantedFrom, wantedPositions } from "./wanted.ts";

export interface ConnectionChannelsOptions {
  readonly hub: Hub;
  readonly apps: ReadonlyMap<string, AppConfig>;
  readonly broker: Pick<Broker, "worker" | "call" | "gather" | "isOrdered">;
  readonly handlers: Pick<WorkerHandlers, "method">;
  /** Milliseconds for which the state of a connection that broke is kept; 0 is not at all. */
  readonly recoveryMs: number;
  readonly counters: Counters;
  readonly clock: Clock;
  readonly random: Random;
  /** Whether a connection may subscribe to a channel. */
  maySubscribe(connection: Connection, channel: string): boolean;
}

type Connection = SocketIoConnection<ClientInfo>;

const NO_POSITIONS: ReadonlyMap<string, Cursor> = new Map();

/** The event that tells how a subscription of the handshake has begun. */
const RECOVERY_EVENT = "starling:recovery";

/** The channel of a connection's own name. */
interface OwnChannel {
  readonly channel: string;
  /** Where it stood before the client knew that it is connected; undefined where it has no history. */
  readonly start: Position | undefined;
}

/** What a client comes back to, and from where it goes on. */
interface Found {
  readonly state: KeptState;
  readonly starts: readonly ChannelStart[];
}

/** With what a connection begins. */
interface Arrival {
  readonly own?: OwnChannel;
  /** What the client missed of which channels; of no interest where it has come back. */
  readonly positions?: ReadonlyMap<string, Cursor>;
  /** Whether the client has come back to a connection, and is to be in its channels again. */
  readonly isReturning?: boolean;
}

/** Ends after which the client comes back by itself, and was not told to begin anew. */
const BREAKS: ReadonlySet<DisconnectReason> = new Set<DisconnectReason>([
  "transport_close",
  // Of the transport alone: who leaves says so before.
  "client_close",
  "ping_timeout",
  "slow_consumer",
  "messages_missed",
  "shutting_down",
]);

/** Which channels Socket.IO connections have, what they get of the histories, and how they come back. */
export class ConnectionChannels {
  readonly #options: ConnectionChannelsOptions;
  readonly #kept: KeptStates;
  readonly #returns: Returns;
  /** Apps with channels that can be recovered. */
  readonly #recoverable: ReadonlySet<string>;
  /** Between the acceptance of a connection and its client's knowing. */
  readonly #arrivals = new Map<Connection, Arrival>();
  /** Those that can be come back to, by the client's proof. */
  readonly #standing = new Map<string, Connection>();
  /** Connections that are getting what they get from the start. */
  readonly #beginnings = new Map<Connection, Promise<void>>();

  constructor(options: ConnectionChannelsOptions) {
    this.#options = options;
    const { apps, clock, counters, recoveryMs } = options;
    this.#kept = new KeptStates({ clock, counters, ttlMs: recoveryMs });
    this.#returns = new Returns({ ...options, kept: this.#kept, end: (claim) => this.#end(claim) });
    const recoverable = [...apps].filter(([, { namespaces }]) =>
      [...namespaces.values()].some(({ recover }) => recover === true),
    );
    this.#recoverable = new Set(recoveryMs > 0 ? recoverable.map(([app]) => app) : []);
  }

  /**
   * Before the client knows that it is connected: looks whether it comes back, and sees to it that
   * nothing passes its own channel by from then on.
   *
   * @throws StarlingError when the client asks for something senseless
   */
  accept(connection: Connection, auth: unknown, ownChannel: string | undefined): Answer<undefined> {
    const { hub, broker, random } = this.#options;
    const { app } = connection;
    const positions = wantedPositions(auth);
    return whenAnswered(this.#find(connection, auth), (found) => {
      if (found !== undefined) {
        const { state, starts } = found;
        connection.id = state.id;
        connection.standing = new Standing({ ...state.standing, starts });
        this.#arrivals.set(connection, { isReturning: true });
        return undefined;
      }
      if (this.#recoverable.has(app)) {
        connection.standing = Standing.fresh(createSessionId(broker.worker, random));
      }
      if (ownChannel === undefined) {
        if (positions.size > 0) this.#arrivals.set(connection, { positions });
        return undefined;
      }
      const expected = hub.expect(app, ownChannel);
      return whenAnswered(
        whenAnswered(expected, () => this.#positionOf(app, ownChannel)),
        (start) => {
          const own = { channel: ownChannel, start };
          this.#arrivals.set(connection, { own, positions });
          return undefined;
        },
      );
    });
  }

  /**
   * The client knows that it is connected.
   *
   * @throws StarlingError when it cannot have its channels
   */
  begin(connection: Connection): Answer<void> {
    const { standing } = connection;
    const { own, positions = NO_POSITIONS, isReturning } = this.#arrivals.get(connection) ?? {};
    this.#arrivals.delete(connection);
    if (standing !== undefined) this.#standing.set(standing.pid, connection);
    if (isReturning === true && standing !== undefined) {
      const beginnings = Array.from(standing.starts, ([channel, from]) => ({ channel, from }));
      return this.#start(connection, beginnings, (begun) => this.#require(connection, begun));
    }
    if (own !== undefined && positions.size === 0) return this.#beginOwn(connection, own);
    return this.#beginAt(connection, positions, own);
  }

  /**
   * Subscribes as the client asks in the argument of its event; tells it, then sends what it wants.
   *
   * @throws StarlingError
   */
  subscribe(
    connection: Connection,
    channel: string,
    argument: unknown,
    tell: (answer: object) => void,
  ): Answer<void> {
    const from = wantedFrom(argument);
    // What it gets from the start comes in one order, between which nothing else must come.
    return whenAnswered(this.#beginnings.get(connection), () =>
      this.#add(connection, [{ channel, from }], ([begun]) => {
        if (begun !== undefined) tell({ ok: true, ...said(begun), channel });
      }),
    );
  }

  unsubscribe(connection: Connection, channel: string): boolean {
    connection.standing?.remove(channel);
    return this.#options.hub.unsubscribe(connection, channel);
  }

  /** A connection of another worker goes on here. */
  restored(connection: Connection, channels: readonly string[]): void {
    const { standing } = connection;
    if (standing !== undefined) this.#standing.set(standing.pid, connection);
    const { hub, broker } = this.#options;
    const joined = allAnswers(channels.map((channel) => hub.subscribe(connection, channel)));
    if (standing === undefined || broker.isOrdered) return;
    // Until this worker follows the channels its cursors say nothing of them.
    standing.beginning();
    const begun = () => standing.begun();
    if (joined instanceof Promise) void joined.then(begun, begun);
    else begun();
  }

  /** A connection whose client never knew. */
  abandoned(connection: Connection): void {
    const arrival = this.#arrivals.get(connection);
    this.#arrivals.delete(connection);
    if (arrival?.isReturning === true) this.#keep(connection);
  }

  /** A connection has ended here. */
  ended(connection: Connection, reason: DisconnectReason): void {
    const { standing } = connection;
    if (standing === undefined) return;
    this.#standing.delete(standing.pid);
    if (BREAKS.has(reason)) this.#keep(connection);
  }

  /** Lets other workers have what clients may come back for. */
  leave(): Promise<void> {
    return this.#returns.leave();
  }

  /** What a client comes back to, and from where it goes on; nothing where something would be missing. */
  #find(connection: Connection, auth: unknown): Answer<Found | undefined> {
    const { maySubscribe, counters } = this.#options;
    const { app, user } = connection;
    const wish = this.#recoverable.has(app) ? returnWish(auth) : undefined;
    if (wish === undefined) return undefined;
    const state = wish === "lost" ? undefined : this.#returns.take({ pid: wish.pid, app, user });
    const found = whenAnswered(state, (known): Answer<Found | undefined> => {
      if (known === undefined || wish === "lost") return undefined;
      const wanted = resumptions(known.standing, wish.cursor);
      if (!wanted?.every(({ channel }) => maySubscribe(connection, channel))) return undefined;
      const starts = allAnswers(wanted.map((each) => this.#startOf(app, each)));
      return whenAnswered(starts, (found) =>
        found.every((start) => start !== undefined)
          ? { state: known, starts: found.filter((start) => start !== undefined) }
          : undefined,
      );
    });
    const count = (known: Found | undefined) => {
      if (known === undefined) counters.unrecoveredConnections++;
      else counters.recoveredConnections++;
      return known;
    };
    // Whose history cannot be had begins anew.
    return found instanceof Promise ? found.catch(() => undefined).then(count) : count(found);
  }

  /** From where a channel goes on; undefined where something is not kept any more. */
  #startOf(app: string, { channel, start, seen }: Resumption): Answer<ChannelStart | undefined> {
    if (start === undefined) return [channel, start];
    const cursor = seen === undefined ? Cursor.behind(start) : new Cursor([seen]);
    const position = this.#options.hub.standing(app, channel, cursor, start.offset);
    return whenAnswered(position, (at): ChannelStart | undefined => at && [channel, at]);
  }

  #beginOwn(connection: Connection, { channel, start }: OwnChannel): Answer<void> {
    connection.standing?.add(channel, start);
    if (start === undefined) {
      void this.#options.hub.subscribe(connection, channel);
      return;
    }
    return this.#start(connection, [{ channel, from: start }], (begun) =>
      this.#require(connection, begun),
    );
  }

  /** Subscribes to what the client names positions for, and tells it of each. */
  #beginAt(
    connection: Connection,
    positions: ReadonlyMap<string, Cursor>,
    own: OwnChannel | undefined,
  ): Answer<void> {
    const beginnings: Beginning[] = [];
    if (own !== undefined && !positions.has(own.channel)) {
      beginnings.push({ channel: own.channel, from: own.start });
    }
    for (const [channel, from] of positions) {
      const refusal = this.#refusalOf(connection, channel);
      if (refusal === undefined) beginnings.push({ channel, from });
      else connection.emit(RECOVERY_EVENT, { channel, ...errorBody(refusal) });
    }
    if (beginnings.length === 0) return;
    const done = this.#add(connection, beginnings, (begun) => {
      this.#require(
        connection,
        begun.filter(({ channel }) => !positions.has(channel)),
      );
      for (const each of begun) {
        if (positions.has(each.channel)) {
          connection.emit(RECOVERY_EVENT, { channel: each.channel, ...said(each) });
        }
      }
    });
    return this.#track(connection, done);
  }

  /** What a connection gets from the start, in one order. */
  #start(
    connection: Connection,
    beginnings: readonly Beginning[],
    begun: (channels: readonly Begun[]) => void,
  ): Answer<void> {
    return this.#track(connection, this.#options.hub.begin(connection, beginnings, { begun }));
  }

  #track(connection: Connection, done: Answer<void>): Answer<void> {
    if (!(done instanceof Promise)) return;
    // Whoever cannot be given the rest has been closed, or has gone.
    const end = () => void this.#beginnings.delete(connection);
    const tracked = done.then(end, (error: unknown) => {
      end();
      if (connection.isOpen) connection.close("messages_missed");
      if (!(error instanceof StarlingError)) throw error;
    });
    this.#beginnings.set(connection, tracked);
    return tracked;
  }

  /** Adds channels to those that a connection has. */
  #add(
    connection: Connection,
    beginnings: readonly Beginning[],
    told: (channels: readonly Begun[]) => void,
  ): Answer<void> {
    const { hub, broker } = this.#options;
    const { standing, app } = connection;
    /** How far the streams that they are of were for certain when this began, by their epochs. */
    const upTo = new Map<string, number>();
    const begun = (channels: readonly Begun[]) => {
      for (const { channel, position } of channels) {
        if (position !== undefined) upTo.set(position.epoch, 0);
        // One that it has already keeps its start.
        if (position !== undefined || !this.#recovers(app, channel)) {
          standing?.add(channel, position);
        }
      }
      told(channels);
    };
    const ended = (newest: ReadonlyMap<string, number>) => {
      // In order nobody has seen what was not delivered here.
      if (broker.isOrdered) return;
      for (const [epoch, offset] of newest) upTo.set(epoch, offset);
    };
    if (standing === undefined) return hub.begin(connection, beginnings, { begun });
    standing.beginning();
    let done: Answer<void>;
    try {
      done = hub.begin(connection, beginnings, { begun, ended });
    } catch (error) {
      standing.begun();
      throw error;
    }
    const isInOrder =
      !(done instanceof Promise) && beginnings.every(({ from }) => from === undefined);
    // Whoever asked would be answered behind what the client has had in its turn meanwhile.
    const settled = whenAnswered(done, () => {
      const floors = Array.from(upTo, ([epoch, newest]) => {
        return { epoch, offset: Math.max(newest, hub.deliveredUpTo(app, epoch)) };
      });
      standing.begun(isInOrder ? [] : floors);
    });
    if (!(settled instanceof Promise)) return;
    return settled.catch((error: unknown) => {
      // Nobody knows how much of it the client has.
      standing.break();
      standing.begun();
      throw error;
    });
  }

  /** What nobody asked for must be whole, or the client has to come back. */
  #require(connection: Connection, begun: readonly Begun[]): void {
    if (begun.every(({ recovered }) => recovered !== false)) return;
    connection.standing?.break();
    connection.close("messages_missed");
  }

  #refusalOf(connection: Connection, channel: string): StarlingError | undefined {
    const fault = nameFault(channel);
    if (fault !== undefined) return new StarlingError("invalid_request", `channel: ${fault}`);
    const isAllowed = this.#options.maySubscribe(connection, channel);
    return isAllowed ? undefined : new StarlingError("permission_denied");
  }

  /** Ends a connection whose client has come back before that was noticed to be dead. */
  #end({ pid, app, user }: Claim): void {
    const connection = this.#standing.get(pid);
    if (connection?.app === app && connection.user === user) connection.close("ping_timeout");
  }

  #keep(connection: Connection): void {
    const { id, app, user, standing } = connection;
    const state = standing?.state;
    // Without channels there is nothing to come back to, and what the client asked for may not have arrived.
    if (state === undefined || state.starts.length === 0) return;
    const isKnown = ([channel, start]: ChannelStart) =>
      start !== undefined || optionsOf(this.#options.apps, app, channel).volatile;
    // What is said elsewhere while the client is away would be missing.
    if (state.starts.every(isKnown)) this.#kept.add({ id, app, user, standing: state });
  }

  #recovers(app: string, channel: string): boolean {
    return optionsOf(this.#options.apps, app, channel).recover === true;
  }

  /** Where the channel stands; undefined where it cannot be recovered. */
  #positionOf(app: string, channel: string): Answer<Position | undefined> {
    if (!this.#recovers(app, channel)) return undefined;
    const page = this.#options.hub.history(app, channel, { limit: 0 });
    return whenAnswered(page, ({ position }) => position);
  }
}

/** How a subscription has begun, in the words of the client. */
function said({ position, recovered }: Begun): object {
  return {
    ...(position === undefined ? {} : { position: positionText(position) }),
    ...(recovered === undefined ? {} : { recovered }),
  };
}
