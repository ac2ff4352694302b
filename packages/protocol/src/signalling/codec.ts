/** The codec of the signalling protocol; `messages.ts` holds what it reads and writes. */
export { type DecodeFault, type DecodeResult, decodeServerSignal, decodeSignal } from "./decode.ts";
export { encodeSignal } from "./encode.ts";
