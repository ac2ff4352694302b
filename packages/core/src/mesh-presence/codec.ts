import type { PresenceEvent } from "../broker/broker.ts";
import { LetterCodec } from "../broker/ipc/letters.ts";
import { readAll } from "../broker/ipc/messages.ts";
import type { Reader } from "../broker/ipc/reader.ts";
import { WireError } from "../broker/ipc/wire-error.ts";
import type { Writer } from "../broker/ipc/writer.ts";
import { Dots } from "./dots.ts";
import type { Mark, Message, Part, Want } from "./messages.ts";
import type { News } from "./own-channel.ts";
import type { Entry } from "./roster.ts";

const VERSION = 2;

const TYPES = ["beat", "bye", "ask", "compare", "digest", "told"] as const;
const EVENTS = ["join", "online", "state", "rename", "leave"] as const;

/** What nodes say to one another of members. */
export class Codec extends LetterCodec<Message> {
  constructor() {
    super({ version: VERSION, types: TYPES, write: writeMessage, read: readMessage });
  }
}

function writeMessage(writer: Writer, message: Message): void {
  switch (message.type) {
    case "beat":
      writer.string(message.node);
      writer.uint(message.since);
      writer.uint(message.sequence);
      writer.uint(message.now);
      writer.uint(message.channels);
      writer.bool(message.isHello);
      writer.string(message.about);
      writeMarks(writer, message.changes);
      break;
    case "ask":
      writer.uint(message.number);
      writer.bool(message.isUrgent);
      writer.array(message.wants.length);
      for (const { app, channel, known } of message.wants) {
        writer.string(app);
        writer.string(channel);
        writer.uint(known.floor);
        writeDots(writer, known.context);
      }
      break;
    case "digest":
      writer.uint(message.now);
      writer.uint(message.low);
      writer.uint(message.high);
      writeMarks(writer, message.marks);
      break;
    case "told":
      writer.array(message.parts.length);
      for (const part of message.parts) writePart(writer, part);
      break;
    default:
      break;
  }
}

function readMessage(reader: Reader, type: Message["type"] | undefined): Message {
  switch (type) {
    case "beat":
      return {
        type,
        node: reader.string(),
        since: reader.uint(),
        sequence: reader.uint(),
        now: reader.uint(),
        channels: reader.uint(),
        isHello: reader.bool(),
        about: reader.string(),
        changes: readMarks(reader),
      };
    case "ask": {
      const [number, isUrgent] = [reader.uint(), reader.bool()];
      return { type, number, isUrgent, wants: readAll(reader, readWant) };
    }
    case "digest": {
      const [now, low, high] = [reader.uint(), reader.uint(), reader.uint()];
      return { type, now, low, high, marks: readMarks(reader) };
    }
    case "told":
      return { type, parts: readAll(reader, readPart) };
    case "bye":
    case "compare":
      return { type };
    default:
      throw new WireError("a message is of an unknown kind");
  }
}

function writeMarks(writer: Writer, marks: readonly Mark[]): void {
  writer.array(marks.length);
  for (const [hash, last] of marks) {
    writer.uint(hash);
    writer.uint(last);
  }
}

function readMarks(reader: Reader): Mark[] {
  return readAll(reader, (): Mark => [reader.uint(), reader.uint()]);
}

/** As the lengths of gaps and ranges, which are small numbers. */
function writeDots(writer: Writer, { bounds }: Dots): void {
  writer.array(bounds.length);
  let before = 0;
  for (const bound of bounds) {
    writer.uint(bound - before);
    before = bound;
  }
}

function readDots(reader: Reader): Dots {
  let before = 0;
  const bounds = readAll(reader, () => {
    before += reader.uint();
    return before;
  });
  try {
    return Dots.fromBounds(bounds);
  } catch (error) {
    throw new WireError("a message holds dots that are none", { cause: error });
  }
}

function readWant(reader: Reader): Want {
  const [app, channel, floor] = [reader.name(), reader.name(), reader.uint()];
  return { app, channel, known: { floor, context: readDots(reader) } };
}

function writePart(writer: Writer, part: Part): void {
  const { app, channel, place, heard, context, entries, news } = part;
  writer.string(app);
  writer.string(channel);
  writer.uint(place === undefined ? 0 : place.index);
  if (place !== undefined) {
    writer.uint(place.answer);
    writer.bool(place.isLast);
  }
  writeDots(writer, heard);
  writeDots(writer, context);
  writer.array(entries.length);
  for (const entry of entries) writeEntry(writer, entry);
  writer.array(news.length);
  if (news.length === 0) return;
  const indices = new Map(entries.map(({ member }, index) => [member.connection, index]));
  for (const each of news) {
    const index = indices.get(each.connection);
    writeNews(writer, each, index, index === undefined ? undefined : entries[index]);
  }
}

function readPart(reader: Reader): Part {
  const [app, channel, index] = [reader.name(), reader.name(), reader.uint()];
  const place = index === 0 ? undefined : { index, answer: reader.uint(), isLast: reader.bool() };
  const heard = readDots(reader);
  const context = readDots(reader);
  const entries = readAll(reader, readEntry);
  if (!entries.every(({ dot }) => context.has(dot))) {
    throw new WireError("an entry is out of its context");
  }
  const news = readAll(reader, () => readNews(reader, entries));
  return { app, channel, place, heard, context, entries, news };
}

function writeEntry(writer: Writer, { dot, member, isOnline }: Entry): void {
  writer.uint(dot);
  writer.string(member.connection);
  writer.string(member.clientId);
  writer.optionalString(member.user);
  writer.optionalBin(member.state);
  writer.uint(Math.max(0, Math.floor(member.since)));
  writer.bool(isOnline);
}

function readEntry(reader: Reader): Entry {
  const dot = reader.uint();
  const member = {
    connection: reader.lastingString(),
    clientId: reader.lastingString(),
    user: reader.optionalLastingString(),
    state: reader.optionalBin(),
    since: reader.uint(),
  };
  return { dot, member, isOnline: reader.bool() };
}

/** What the entry of the connection says as well is not said twice. */
function writeNews(
  writer: Writer,
  news: News,
  index: number | undefined,
  entry: Entry | undefined,
): void {
  writer.uint(EVENTS.indexOf(news.type));
  writer.uint(news.dot);
  writer.uint(index === undefined ? 0 : index + 1);
  if (index === undefined) writer.string(news.connection);
  switch (news.type) {
    case "online":
      writer.optionalBin(news.payload);
      break;
    case "state": {
      const isSame = entry?.member.state === news.state && entry.member.clientId === news.clientId;
      writer.bool(isSame);
      if (isSame) break;
      writer.string(news.clientId);
      writer.bin(news.state);
      break;
    }
    case "rename":
      writer.string(news.clientId);
      break;
    default:
      break;
  }
}

function readNews(reader: Reader, entries: readonly Entry[]): News {
  const type: PresenceEvent["type"] | undefined = EVENTS[reader.uint()];
  const dot = reader.uint();
  const index = reader.uint();
  const entry = entries[index - 1];
  if (index > 0 && entry === undefined) throw new WireError("news are of nobody");
  const connection = entry === undefined ? reader.string() : entry.member.connection;
  switch (type) {
    case "join":
    case "leave":
      return { dot, connection, type };
    case "online":
      return { dot, connection, type, payload: reader.optionalBin() };
    case "state": {
      if (!reader.bool()) {
        return { dot, connection, type, clientId: reader.string(), state: reader.bin() };
      }
      const { clientId = "", state } = entry?.member ?? {};
      if (state === undefined) throw new WireError("a state is nowhere");
      return { dot, connection, type, clientId, state };
    }
    case "rename":
      return { dot, connection, type, clientId: reader.string() };
    case undefined:
      throw new WireError("news are of an unknown kind");
  }
}
