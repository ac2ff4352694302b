import { dlopen, FFIType, ptr } from "bun:ffi";
import { encodeProgram, INSTRUCTION_BYTES, type Instruction } from "./reuseport-program.ts";

const { i32, u32, u64, ptr: pointer } = FFIType;

const SYMBOLS = {
  socket: { args: [i32, i32, i32], returns: i32 },
  getsockname: { args: [i32, pointer, pointer], returns: i32 },
  connect: { args: [i32, pointer, u32], returns: i32 },
  poll: { args: [pointer, u64, i32], returns: i32 },
  getsockopt: { args: [i32, i32, i32, pointer, pointer], returns: i32 },
  setsockopt: { args: [i32, i32, i32, pointer, u32], returns: i32 },
  dup: { args: [i32], returns: i32 },
  close: { args: [i32], returns: i32 },
} as const;

// asm-generic/socket.h of the kernel, which x86-64 and aarch64 share.
const SOL_SOCKET = 1;
const SO_ATTACH_FILTER = 26;
const SO_DETACH_FILTER = 27;
const SO_ATTACH_REUSEPORT_CBPF = 51;
const SO_DETACH_REUSEPORT_BPF = 68;
const IPPROTO_TCP = 6;
const TCP_MAXSEG = 2;
const AF_INET6 = 10;
const SOCK_STREAM = 1;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const POLLOUT = 4;

/** Bytes of `struct sockaddr_in6`, the larger of the two kinds. */
const SOCKADDR_BYTES = 28;
/** Where `struct sockaddr_in6` has its address. */
const SIN6_ADDR = 8;
/** `::ffff:127.0.0.1` */
const MAPPED_LOOPBACK = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, 1];

/** How long a connection within the machine may take, in milliseconds; the kernel answers at once. */
const CONNECT_TIMEOUT_MS = 20;

/**
 * The socket calls of Linux that the runtime does not offer.
 *
 * Each answers false or undefined where the kernel refuses; none waits but `segmentTo`, briefly.
 */
export class SocketCalls {
  readonly #libc;

  /** @throws Error where the C library of glibc cannot be loaded, as on musl */
  constructor() {
    this.#libc = dlopen("libc.so.6", SYMBOLS).symbols;
  }

  /** Lets `program` choose, by index, which listener of the socket's group gets a connection. */
  attachSteering(fd: number, program: readonly Instruction[]): boolean {
    return this.#attach(fd, SO_ATTACH_REUSEPORT_CBPF, program);
  }

  /** Lets the kernel choose again; false also where it did already. */
  detachSteering(fd: number): boolean {
    return this.#set(fd, SOL_SOCKET, SO_DETACH_REUSEPORT_BPF, 0);
  }

  /** Lets `program` judge each packet that comes to the socket. */
  attachFilter(fd: number, program: readonly Instruction[]): boolean {
    return this.#attach(fd, SO_ATTACH_FILTER, program);
  }

  detachFilter(fd: number): boolean {
    return this.#set(fd, SOL_SOCKET, SO_DETACH_FILTER, 0);
  }

  /** A second descriptor of a socket, to be closed by the caller: the socket lasts as long as either. */
  duplicate(fd: number): number | undefined {
    const copy = this.#libc.dup(fd);
    return copy < 0 ? undefined : copy;
  }

  close(fd: number): void {
    this.#libc.close(fd);
  }

  /** Bounds the segments, in bytes, that a listener asks its clients for; 0 for no bound. */
  setSegment(fd: number, bytes: number): boolean {
    return this.#set(fd, IPPROTO_TCP, TCP_MAXSEG, bytes);
  }

  /**
   * Opens a connection to where a socket listens and answers the size of its segments, in bytes, as
   * whichever listener got it asked for; undefined where none answers.
   */
  segmentTo(fd: number): number | undefined {
    const address = new Uint8Array(SOCKADDR_BYTES);
    const length = new Uint32Array([SOCKADDR_BYTES]);
    if (this.#libc.getsockname(fd, address, length) !== 0) return undefined;
    const used = address.subarray(0, length[0]);
    // An unspecified address connects to the loopback address of its family.
    const segment = this.#segmentAt(used);
    if (segment !== undefined || !isUnspecified6(used)) return segment;
    // Some containers have IPv6 sockets and no ::1.
    used.set(MAPPED_LOOPBACK, SIN6_ADDR);
    return this.#segmentAt(used);
  }

  #segmentAt(address: Uint8Array): number | undefined {
    const type = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
    const fd = this.#libc.socket(familyOf(address), type, 0);
    if (fd < 0) return undefined;
    try {
      this.#libc.connect(fd, address, address.length);
      // struct pollfd: fd, then events in the lower and revents in the upper half.
      const polled = new Int32Array([fd, POLLOUT]);
      this.#libc.poll(polled, 1, CONNECT_TIMEOUT_MS);
      if ((polled[1] ?? 0) >>> 16 !== POLLOUT) return undefined;
      const segment = new Int32Array(1);
      const length = new Uint32Array([segment.byteLength]);
      const failed = this.#libc.getsockopt(fd, IPPROTO_TCP, TCP_MAXSEG, segment, length);
      return failed === 0 ? segment[0] : undefined;
    } finally {
      this.#libc.close(fd);
    }
  }

  #attach(fd: number, option: number, program: readonly Instruction[]): boolean {
    const code = encodeProgram(program);
    // struct sock_fprog: how many instructions, and where they are.
    const head = new BigUint64Array([BigInt(code.length / INSTRUCTION_BYTES), BigInt(ptr(code))]);
    return this.#libc.setsockopt(fd, SOL_SOCKET, option, head, head.byteLength) === 0;
  }

  #set(fd: number, level: number, option: number, value: number): boolean {
    const bytes = new Int32Array([value]);
    return this.#libc.setsockopt(fd, level, option, bytes, bytes.byteLength) === 0;
  }
}

/** `sa_family`, which `struct sockaddr` begins with. */
function familyOf(address: Uint8Array): number {
  return (address[0] ?? 0) | ((address[1] ?? 0) << 8);
}

function isUnspecified6(address: Uint8Array): boolean {
  if (familyOf(address) !== AF_INET6) return false;
  return address.subarray(SIN6_ADDR, SIN6_ADDR + 16).every((byte) => byte === 0);
}
