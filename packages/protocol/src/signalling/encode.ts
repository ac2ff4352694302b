import type { ClientSignal, ServerSignal, SnapshotMember } from "./messages.ts";
import { Writer } from "./writer.ts";

/** Every member that some signal has. */
interface Members {
  readonly t: string;
  readonly op?: string;
  readonly c?: string;
  readonly p?: string;
  readonly pl?: Uint8Array;
  readonly mesh?: string;
  readonly id?: number;
  readonly code?: number;
  readonly msg?: string;
  readonly ts?: number;
  readonly ms?: readonly SnapshotMember[];
  readonly more?: boolean;
  readonly tk?: string;
  readonly ep?: string;
  readonly off?: number;
  readonly rec?: boolean;
  readonly last?: number;
}

// One for all messages: encoding is synchronous, and what it gives out is a copy.
const writer = new Writer();

/**
 * Encodes a signal of either direction in the canonical form: keys in the order of the
 * specification, every type in its shortest form, `p` always there, absent members left out.
 *
 * Sizes are not checked, and a lone surrogate in a text becomes U+FFFD.
 */
export function encodeSignal(signal: ClientSignal | ServerSignal): Uint8Array {
  const members: Members = signal;
  const { t, op, c, p = "", pl, mesh, id, code, msg, ts, ms, more, tk } = members;
  const { ep, off, rec, last } = members;
  const optional = [op, c, pl, mesh, id, code, msg, ts, ms, more, tk, ep, off, rec, last];
  writer.map(2 + optional.filter((value) => value !== undefined).length);
  text("t", t);
  if (op !== undefined) text("op", op);
  if (c !== undefined) text("c", c);
  text("p", p);
  if (pl !== undefined) binary("pl", pl);
  if (mesh !== undefined) text("mesh", mesh);
  if (id !== undefined) unsigned("id", id);
  if (code !== undefined) unsigned("code", code);
  if (msg !== undefined) text("msg", msg);
  if (ts !== undefined) unsigned("ts", ts);
  if (ms !== undefined) snapshotMembers(ms);
  if (more !== undefined) boolean("more", more);
  if (tk !== undefined) text("tk", tk);
  if (ep !== undefined) text("ep", ep);
  if (off !== undefined) unsigned("off", off);
  if (rec !== undefined) boolean("rec", rec);
  if (last !== undefined) unsigned("last", last);
  return writer.take();
}

function snapshotMembers(list: readonly SnapshotMember[]): void {
  writer.text("ms");
  writer.array(list.length);
  for (const { p, pl, since } of list) {
    writer.map(pl === undefined ? 2 : 3);
    text("p", p);
    if (pl !== undefined) binary("pl", pl);
    unsigned("since", since);
  }
}

function text(key: string, value: string): void {
  writer.text(key);
  writer.text(value);
}

function binary(key: string, value: Uint8Array): void {
  writer.text(key);
  writer.binary(value);
}

function unsigned(key: string, value: number): void {
  writer.text(key);
  writer.unsigned(value);
}

function boolean(key: string, value: boolean): void {
  writer.text(key);
  writer.boolean(value);
}
