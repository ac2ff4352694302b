import { LetterCodec } from "../broker/ipc/letters.ts";
import { readAll } from "../broker/ipc/messages.ts";
import type { Reader } from "../broker/ipc/reader.ts";
import { WireError } from "../broker/ipc/wire-error.ts";
import type { Writer } from "../broker/ipc/writer.ts";
import type { Change, Fact, LogRecord } from "./facts.ts";
import type { Entry, Pending, Piece, Step } from "./ledger.ts";
import type { HookMessage } from "./messages.ts";

const VERSION = 1;

const TYPES = ["beat", "lead", "ask", "records", "facts", "entries", "want", "state"] as const;
const KINDS = ["channel", "member", "connection"] as const;
const CHANGES = ["on", "off", "ended", "emptied", "doubted"] as const;
const STEPS = ["on", "off", "ended", "again", "vacated", "known", "gone", "settled"] as const;
const PIECES = ["origin", "fact", "lingering", "pending"] as const;

/** What nodes say to one another of hooks. */
export class HookCodec extends LetterCodec<HookMessage> {
  constructor() {
    super({ version: VERSION, types: TYPES, write: writeMessage, read: readMessage });
  }
}

function writeMessage(writer: Writer, message: HookMessage): void {
  switch (message.type) {
    case "beat":
      writer.uint(message.since);
      writer.string(message.sends);
      writer.string(message.log);
      writer.uint(message.number);
      writer.uint(message.last);
      writer.bool(message.isHello);
      writer.bool(message.isLeaving);
      break;
    case "lead":
      writer.string(message.log);
      writer.string(message.former);
      writer.uint(message.number);
      break;
    case "ask":
      writer.string(message.log);
      writer.uint(message.position === undefined ? 0 : message.position + 1);
      writer.bool(message.wantsFacts);
      break;
    case "records":
      writer.string(message.log);
      writer.uint(message.before);
      writeAll(writer, message.records, writeRecord);
      break;
    case "facts":
      writer.string(message.log);
      writer.uint(message.at);
      writer.uint(message.index);
      writer.bool(message.isLast);
      writeAll(writer, message.facts, writeFact);
      break;
    case "entries":
      writer.string(message.log);
      writer.uint(message.first);
      writeAll(writer, message.entries, writeEntry);
      break;
    case "want":
      writer.string(message.log);
      break;
    case "state":
      writer.string(message.log);
      writer.uint(message.number);
      writer.uint(message.index);
      writer.bool(message.isLast);
      writeAll(writer, message.pieces, writePiece);
      break;
  }
}

function readMessage(reader: Reader, type: HookMessage["type"] | undefined): HookMessage {
  switch (type) {
    case "beat":
      return {
        ...{ type, since: reader.uint(), sends: reader.string(), log: reader.string() },
        ...{ number: reader.uint(), last: reader.uint(), isHello: reader.bool() },
        isLeaving: reader.bool(),
      };
    case "lead":
      return { type, log: reader.string(), former: reader.string(), number: reader.uint() };
    case "ask": {
      const [log, place] = [reader.string(), reader.uint()];
      const position = place === 0 ? undefined : place - 1;
      return { type, log, position, wantsFacts: reader.bool() };
    }
    case "records": {
      const [log, before] = [reader.string(), reader.uint()];
      return { type, log, before, records: readAll(reader, readRecord) };
    }
    case "facts": {
      const [log, at, index] = [reader.string(), reader.uint(), reader.uint()];
      return { type, log, at, index, isLast: reader.bool(), facts: readAll(reader, readFact) };
    }
    case "entries": {
      const [log, first] = [reader.string(), reader.uint()];
      return { type, log, first, entries: readAll(reader, readEntry) };
    }
    case "want":
      return { type, log: reader.string() };
    case "state": {
      const [log, number, index] = [reader.string(), reader.uint(), reader.uint()];
      const isLast = reader.bool();
      return { type, log, number, index, isLast, pieces: readAll(reader, readPiece) };
    }
    default:
      throw new WireError("a message is of an unknown kind");
  }
}

function writeAll<T>(
  writer: Writer,
  items: readonly T[],
  write: (writer: Writer, item: T) => void,
): void {
  writer.array(items.length);
  for (const item of items) write(writer, item);
}

function writeFact(writer: Writer, fact: Fact): void {
  writer.uint(KINDS.indexOf(fact.kind));
  writer.string(fact.app);
  if (fact.kind !== "connection") writer.string(fact.channel);
  if (fact.kind === "channel") return;
  writer.string(fact.connection);
  if (fact.kind === "member") writer.string(fact.clientId);
  writer.optionalString(fact.user);
}

function readFact(reader: Reader): Fact {
  const kind = KINDS[reader.uint()];
  const app = reader.name();
  switch (kind) {
    case "channel":
      return { kind, app, channel: reader.lastingString() };
    case "member": {
      const [channel, connection] = [reader.name(), reader.lastingString()];
      const clientId = reader.lastingString();
      return { kind, app, channel, connection, clientId, user: reader.optionalLastingString() };
    }
    case "connection":
      return {
        ...{ kind, app, connection: reader.lastingString() },
        user: reader.optionalLastingString(),
      };
    default:
      throw new WireError("a fact is of an unknown kind");
  }
}

function writeRecord(writer: Writer, { seq, at, change }: LogRecord): void {
  writer.uint(seq);
  writer.uint(whole(at));
  writer.uint(CHANGES.indexOf(change.op));
  if (change.op === "doubted") writer.string(change.start);
  else writeFact(writer, change.fact);
}

function readRecord(reader: Reader): LogRecord {
  const [seq, at] = [reader.uint(), reader.uint()];
  return { seq, at, change: readChange(reader) };
}

function readChange(reader: Reader): Change {
  const op = CHANGES[reader.uint()];
  if (op === undefined) throw new WireError("a change is of an unknown kind");
  return op === "doubted" ? { op, start: reader.string() } : { op, fact: readFact(reader) };
}

function writeEntry(writer: Writer, { at, start, seq, step }: Entry): void {
  writer.uint(whole(at));
  writer.string(start);
  writer.uint(seq);
  writer.uint(STEPS.indexOf(step.op));
  if ("fact" in step) writeFact(writer, step.fact);
  else if (step.op === "settled") writer.uint(step.upTo);
  else if (step.op === "vacated") {
    writer.string(step.app);
    writer.string(step.channel);
  }
}

function readEntry(reader: Reader): Entry {
  const [at, start, seq] = [reader.uint(), reader.string(), reader.uint()];
  return { at, start, seq, step: readStep(reader) };
}

function readStep(reader: Reader): Step {
  const op = STEPS[reader.uint()];
  switch (op) {
    case "on":
    case "off":
    case "ended":
    case "again":
      return { op, fact: readFact(reader) };
    case "vacated":
      return { op, app: reader.name(), channel: reader.lastingString() };
    case "settled":
      return { op, upTo: reader.uint() };
    case "known":
    case "gone":
      return { op };
    default:
      throw new WireError("an entry is of an unknown kind");
  }
}

function writePiece(writer: Writer, piece: Piece): void {
  writer.uint(PIECES.indexOf(piece.is));
  switch (piece.is) {
    case "origin":
      writer.string(piece.start);
      writer.uint(piece.position);
      writer.uint(piece.settled);
      writer.bool(piece.isGone);
      break;
    case "fact":
      writer.string(piece.start);
      writeFact(writer, piece.fact);
      break;
    case "lingering":
      writer.string(piece.app);
      writer.string(piece.channel);
      break;
    case "pending":
      writePending(writer, piece.pending);
      break;
  }
}

function readPiece(reader: Reader): Piece {
  const is = PIECES[reader.uint()];
  switch (is) {
    case "origin": {
      const [start, position, settled] = [reader.lastingString(), reader.uint(), reader.uint()];
      return { is, start, position, settled, isGone: reader.bool() };
    }
    case "fact":
      return { is, start: reader.name(), fact: readFact(reader) };
    case "lingering":
      return { is, app: reader.name(), channel: reader.lastingString() };
    case "pending":
      return { is, pending: readPending(reader) };
    default:
      throw new WireError("a piece is of an unknown kind");
  }
}

function writePending(writer: Writer, { number, id, at, fact, holds }: Pending): void {
  writer.uint(number);
  writer.string(id);
  writer.uint(whole(at));
  writeFact(writer, fact);
  writer.bool(holds);
}

function readPending(reader: Reader): Pending {
  const [number, id, at] = [reader.uint(), reader.lastingString(), reader.uint()];
  return { number, id, at, fact: readFact(reader), holds: reader.bool() };
}

function whole(ms: number): number {
  return Math.max(0, Math.floor(ms));
}
