/**
 * Run by Bun as root: has two interfaces that are the ends of a line, and hands packets from one to the other, late, and
 * some not at all. Takes `cut` and `heal` by its input.
 */
import { dlopen, FFIType, ptr } from "bun:ffi";
import { openSync, read, writeSync } from "node:fs";
import { createInterface } from "node:readline";
import { SeededRandom } from "../faults/seeded-random.ts";
import type { LineQuality } from "./line.ts";

/** Of `ioctl` for /dev/net/tun: gives an interface its name; packets without anything before them. */
const TUNSETIFF = 0x400454ca;
const IFF_TUN = 0x1;
const IFF_NO_PI = 0x1000;
/** Bytes of its argument, and of the name in it. */
const [REQUEST, NAME] = [40, 16];
/** Longer than a packet. */
const ROOM = 65_536;

const [first = "", second = "", quality = "{}"] = process.argv.slice(2);
const { delayMs, lossOf }: LineQuality = JSON.parse(quality);
const random = new SeededRandom(process.pid);
const { symbols: libc } = dlopen("libc.so.6", {
  ioctl: { args: [FFIType.i32, FFIType.u64, FFIType.ptr], returns: FFIType.i32 },
});
let isCut = false;

function open(name: string): number {
  const file = openSync("/dev/net/tun", "r+");
  const request = Buffer.alloc(REQUEST);
  request.write(name, "latin1");
  request.writeUInt16LE(IFF_TUN | IFF_NO_PI, NAME);
  if (libc.ioctl(file, TUNSETIFF, ptr(request)) !== 0) throw new Error(`no interface ${name}`);
  return file;
}

function pass(from: number, to: number): void {
  const room = Buffer.alloc(ROOM);
  read(from, room, 0, ROOM, null, (error, size) => {
    // The interface is gone, and with it the line.
    if (error !== null) return;
    const packet = Buffer.from(room.subarray(0, size));
    if (!isCut && random.integer(1, lossOf) !== 1) setTimeout(() => write(to, packet), delayMs);
    pass(from, to);
  });
}

function write(to: number, packet: Buffer): void {
  if (isCut) return;
  try {
    writeSync(to, packet);
  } catch {
    // A packet that the other end does not take is lost.
  }
}

const ends = [open(first), open(second)] as const;
pass(ends[0], ends[1]);
pass(ends[1], ends[0]);
console.log("ready");

createInterface({ input: process.stdin })
  .on("line", (line) => {
    isCut = line === "cut";
    console.log(line);
  })
  .on("close", () => process.exit(0));
