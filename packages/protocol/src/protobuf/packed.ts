import { narrowIntegers } from "../data/tensor-data.ts";
import type { Place } from "../protocol-error.ts";

// Tensor contents are raw little-endian bytes, which is how every machine that runs Node's releases for x64 and arm64
// holds typed arrays. So encoding lends the array's own bytes to the writer (which copies them once, into the body), and
// decoding copies them once, out of the body, which also puts them on an address that typed arrays can be laid over.

/** The bytes of a typed array, not copied. */
export const bytesOf = (array: Int32Array | Float32Array | BigInt64Array): Uint8Array =>
  new Uint8Array(array.buffer, array.byteOffset, array.byteLength);

/** The bytes of 64-bit integers; 32-bit ones are widened, their sign extended. */
export function int64Bytes(values: Int32Array | BigInt64Array): Uint8Array {
  if (values instanceof BigInt64Array) return bytesOf(values);
  const halves = new Int32Array(values.length * 2);
  for (let index = 0; index < values.length; index += 1) {
    const value = Number(values[index]);
    halves[2 * index] = value;
    halves[2 * index + 1] = value >> 31;
  }
  return bytesOf(halves);
}

function copyOut(bytes: Uint8Array, width: number, place: Place): ArrayBuffer {
  if (bytes.byteLength % width !== 0) {
    place.failWith(`a multiple of ${width} bytes long`, `${bytes.byteLength} bytes`);
  }
  return new Uint8Array(bytes).buffer;
}

/** Raw bytes, no longer tied to the body they came in. */
export const copyBytes = (bytes: Uint8Array): Uint8Array => new Uint8Array(bytes);

/** 32-bit integers, such as token ids. */
export const int32Array = (bytes: Uint8Array, place: Place): Int32Array => new Int32Array(copyOut(bytes, 4, place));

/** 32-bit floats. */
export const float32Array = (bytes: Uint8Array, place: Place): Float32Array =>
  new Float32Array(copyOut(bytes, 4, place));

/** 64-bit integers, in an `Int32Array` if all fit. */
export const int64Array = (bytes: Uint8Array, place: Place): Int32Array | BigInt64Array =>
  narrowIntegers(new BigInt64Array(copyOut(bytes, 8, place)));

/** bfloat16 words widened to float32: they are the upper halves of its bits. */
export function bfloat16Array(bytes: Uint8Array, place: Place): Float32Array {
  const words = new Uint16Array(copyOut(bytes, 2, place));
  const bits = Uint32Array.from(words, (word) => word << 16);
  return new Float32Array(bits.buffer);
}

/** An int64 field of a message as a number. Throws for one beyond 2^53 or below 0. */
export function sizeOf(value: bigint, place: Place): number {
  const size = Number(value);
  return Number.isSafeInteger(size) && size >= 0 ? size : place.fail("an integer from 0 to 2^53", value);
}
