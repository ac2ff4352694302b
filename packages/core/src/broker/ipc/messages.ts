import { type ErrorName, errorCatalogue, StarlingError } from "@starling/protocol/errors.ts";
import type { BanPage } from "../../bans/ban-list.ts";
import type { DisconnectTarget } from "../../hub/api.ts";
import type { ChannelPage, ChannelPageRequest } from "../../hub/channel-page.ts";
import type { Member, PresenceStats } from "../../hub/member.ts";
import type { Position } from "../../hub/position.ts";
import type { DeliveryKey, PresenceEvent, Published, RateName } from "../broker.ts";
import type { Disconnection } from "../elsewhere.ts";
import type { Reader } from "./reader.ts";
import { WireError } from "./wire-error.ts";
import type { Writer } from "./writer.ts";

/** A connection that the node is told of by its id. */
export interface ToldConnection {
  readonly app: string;
  readonly connection: string;
  readonly user: string | undefined;
}

const RATES: readonly RateName[] = ["user", "address", "api"];
const EVENTS = ["join", "online", "state", "rename", "leave"] as const;

export function writeRate(writer: Writer, rate: RateName): void {
  writer.uint(RATES.indexOf(rate));
}

export function readRate(reader: Reader): RateName {
  return known(RATES[reader.uint()], "rate");
}

export function writeKeys(writer: Writer, keys: readonly DeliveryKey[]): void {
  writer.array(keys.length);
  for (const { key, fingerprint } of keys) {
    writer.string(key);
    writer.string(fingerprint);
  }
}

export function readKeys(reader: Reader): DeliveryKey[] {
  return readAll(reader, readKey);
}

function readKey(reader: Reader): DeliveryKey {
  return { key: reader.string(), fingerprint: reader.string() };
}

export function writeOptionalKey(writer: Writer, key: DeliveryKey | undefined): void {
  writeKeys(writer, key === undefined ? [] : [key]);
}

export function readOptionalKey(reader: Reader): DeliveryKey | undefined {
  return reader.array() === 0 ? undefined : readKey(reader);
}

export function writePosition(writer: Writer, { epoch, offset }: Position): void {
  writer.string(epoch);
  writer.uint(offset);
}

export function readPosition(reader: Reader): Position {
  return { epoch: reader.string(), offset: reader.uint() };
}

export function writePublished(writer: Writer, { subscribers, positions }: Published): void {
  writer.uint(subscribers);
  writer.array(positions.length);
  for (const position of positions) writePosition(writer, position);
}

export function readPublished(reader: Reader): Published {
  return { subscribers: reader.uint(), positions: readAll(reader, readPosition) };
}

/** Answers of deliveries whose keys were asked for. */
export function writeKnown(writer: Writer, known: readonly (Published | undefined)[]): void {
  writer.array(known.length);
  for (const published of known) {
    writer.bool(published !== undefined);
    if (published !== undefined) writePublished(writer, published);
  }
}

export function readKnown(reader: Reader): (Published | undefined)[] {
  return readAll(reader, () => (reader.bool() ? readPublished(reader) : undefined));
}

export function writeTarget(writer: Writer, target: DisconnectTarget): void {
  const byUser = "user" in target;
  writer.bool(byUser);
  writer.string(byUser ? target.user : target.connection);
}

export function readTarget(reader: Reader): DisconnectTarget {
  return reader.bool() ? { user: reader.string() } : { connection: reader.string() };
}

export function writeDisconnection(writer: Writer, told: Disconnection): void {
  writer.uint(told.connections);
  writer.strings(told.unanswered);
  writer.bool(told.isComplete);
}

export function readDisconnection(reader: Reader): Disconnection {
  return {
    connections: reader.uint(),
    unanswered: reader.strings(),
    isComplete: reader.bool(),
  };
}

export function writeBans(writer: Writer, { bans, next }: BanPage): void {
  writer.string(next);
  writer.array(bans.length);
  for (const { app, user, until, keptUntil, stamp, by } of bans) {
    writer.string(app);
    writer.string(user);
    for (const number of [until, keptUntil, stamp]) writer.uint(number);
    writer.string(by);
  }
}

export function readBans(reader: Reader): BanPage {
  const next = reader.string();
  const bans = readAll(reader, () => ({
    app: reader.lastingString(),
    user: reader.lastingString(),
    until: reader.uint(),
    keptUntil: reader.uint(),
    stamp: reader.uint(),
    by: reader.lastingString(),
  }));
  return { bans, next };
}

export function writePageRequest(writer: Writer, page: ChannelPageRequest): void {
  writer.string(page.prefix);
  writer.uint(page.limit);
  writer.optionalString(page.cursor);
}

export function readPageRequest(reader: Reader): ChannelPageRequest {
  return { prefix: reader.string(), limit: reader.uint(), cursor: reader.optionalString() };
}

export function writePage(writer: Writer, page: ChannelPage): void {
  writer.optionalString(page.next ?? undefined);
  writer.array(page.channels.length);
  for (const { channel, subscribers } of page.channels) {
    writer.string(channel);
    writer.uint(subscribers);
  }
}

export function readPage(reader: Reader): ChannelPage {
  const next = reader.optionalString() ?? null;
  const channels = readAll(reader, () => ({
    channel: reader.string(),
    subscribers: reader.uint(),
  }));
  return { channels, next };
}

export function writeConnection(writer: Writer, told: ToldConnection): void {
  writer.string(told.app);
  writer.string(told.connection);
  writer.optionalString(told.user);
}

export function readConnection(reader: Reader): ToldConnection {
  return { app: reader.string(), connection: reader.string(), user: reader.optionalString() };
}

function writeMember(writer: Writer, member: Member): void {
  writer.string(member.connection);
  writer.string(member.clientId);
  writer.optionalString(member.user);
  writer.optionalBin(member.state);
  writer.uint(Math.max(0, Math.floor(member.since)));
  writer.optionalString(member.mesh);
}

function readMember(reader: Reader): Member {
  return {
    connection: reader.lastingString(),
    clientId: reader.lastingString(),
    user: reader.optionalLastingString(),
    state: reader.optionalBin(),
    since: reader.uint(),
    ...meshOf(reader),
  };
}

/** Most members are of this node, and have no such thing. */
function meshOf(reader: Reader): Pick<Member, "mesh"> {
  const mesh = reader.optionalLastingString();
  return mesh === undefined ? {} : { mesh };
}

export function writeMembers(writer: Writer, members: readonly Member[]): void {
  writer.array(members.length);
  for (const member of members) writeMember(writer, member);
}

export function readMembers(reader: Reader): Member[] {
  return readAll(reader, readMember);
}

export function writeStats(writer: Writer, { members, users }: PresenceStats): void {
  writer.uint(members);
  writer.uint(users);
}

export function readStats(reader: Reader): PresenceStats {
  return { members: reader.uint(), users: reader.uint() };
}

export function writeEvent(writer: Writer, event: PresenceEvent): void {
  writer.uint(EVENTS.indexOf(event.type));
  if (event.type === "join") {
    writeMember(writer, event.member);
    return;
  }
  writer.string(event.connection);
  if (event.type === "online") writer.optionalBin(event.payload);
  if (event.type === "state" || event.type === "rename") writer.string(event.clientId);
  if (event.type === "state") writer.bin(event.state);
}

export function readEvent(reader: Reader): PresenceEvent {
  const type = known(EVENTS[reader.uint()], "presence event");
  if (type === "join") return { type, member: readMember(reader) };
  const connection = reader.string();
  switch (type) {
    case "online": {
      const payload = reader.optionalBin();
      return payload === undefined ? { type, connection } : { type, connection, payload };
    }
    case "state":
      return { type, connection, clientId: reader.string(), state: reader.bin() };
    case "rename":
      return { type, connection, clientId: reader.string() };
    case "leave":
      return { type, connection };
  }
}

/** What another process needs to throw the same; what is no StarlingError becomes `internal`. */
export function writeError(writer: Writer, error: unknown): void {
  const told = error instanceof StarlingError ? error : new StarlingError("internal");
  writer.string(told.errorName);
  writer.string(told.message);
}

export function readError(reader: Reader): StarlingError {
  const name = reader.string();
  if (!isErrorName(name)) throw new WireError("an error is not in the catalogue");
  return new StarlingError(name, reader.string());
}

function isErrorName(name: string): name is ErrorName {
  return Object.hasOwn(errorCatalogue, name);
}

export function readAll<T>(reader: Reader, read: (reader: Reader) => T): T[] {
  const all: T[] = [];
  for (let left = reader.array(); left > 0; left--) all.push(read(reader));
  return all;
}

function known<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new WireError(`there is no such ${what}`);
  return value;
}
