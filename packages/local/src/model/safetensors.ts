import { EngineError } from "../engine/engine.ts";
import { elementCount, type Tensor } from "./weights.ts";

/** Element types that are read; all become float32 in memory. */
type StoredType = "F32" | "F16" | "BF16";

const bytesPerElement: Readonly<Record<StoredType, number>> = { F32: 4, F16: 2, BF16: 2 };

/** A header larger than this is a sign of a damaged file, not of a model. */
const largestHeader = 100_000_000;

interface Entry {
  readonly name: string;
  readonly type: StoredType;
  readonly shape: readonly number[];
  readonly start: number;
  readonly end: number;
}

/**
 * Reads a safetensors file: 8 bytes of header length (little endian), a JSON header, the tensors' bytes.
 *
 * @param source Names the file in errors.
 * @throws EngineError when the file is truncated, its header is malformed, a tensor lies outside the file, overlaps
 *   another or has a size that its shape does not give, or an element type is not F32, F16 or BF16.
 */
export function readSafetensors(file: Uint8Array, source: string): Map<string, Tensor> {
  const fail = (what: string): never => {
    throw new EngineError(`${source} is not a valid safetensors file: ${what}`);
  };
  if (file.byteLength < 8) fail(`it has ${file.byteLength} bytes, too few for a header`);
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const headerLength = Number(view.getBigUint64(0, true));
  if (headerLength > largestHeader) fail(`its header claims ${headerLength} bytes`);
  const dataStart = 8 + headerLength;
  if (dataStart > file.byteLength) fail(`the header of ${headerLength} bytes is cut off`);

  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(file.subarray(8, dataStart)));
  } catch (cause) {
    throw new EngineError(`${source} is not a valid safetensors file: the header is not JSON`, { cause });
  }
  if (typeof header !== "object" || header === null || Array.isArray(header)) fail("the header is not a JSON object");

  const dataLength = file.byteLength - dataStart;
  const entries = Object.entries(header as Record<string, unknown>)
    .filter(([name]) => name !== "__metadata__")
    .map(([name, value]) => readEntry(name, value, dataLength, fail))
    .sort((a, b) => a.start - b.start);
  for (const [index, { name, start }] of entries.entries()) {
    const previous = entries[index - 1];
    if (previous !== undefined && start < previous.end) fail(`tensors "${previous.name}" and "${name}" overlap`);
  }
  return new Map(
    entries.map(({ name, type, shape, start, end }) => [
      name,
      { shape, data: decode(type, file.subarray(dataStart + start, dataStart + end)) },
    ]),
  );
}

function readEntry(name: string, value: unknown, dataLength: number, fail: (what: string) => never): Entry {
  if (typeof value !== "object" || value === null) return fail(`the header entry of tensor "${name}" is not an object`);
  const { dtype, shape, data_offsets: offsets } = value as Readonly<Record<string, unknown>>;
  if (typeof dtype !== "string" || !Object.hasOwn(bytesPerElement, dtype)) {
    return fail(`tensor "${name}" has element type ${JSON.stringify(dtype)}; F32, F16 and BF16 are read`);
  }
  const type = dtype as StoredType;
  if (!isSizes(shape)) return fail(`tensor "${name}" has shape ${JSON.stringify(shape)}`);
  if (!isSizes(offsets) || offsets.length !== 2) {
    return fail(`tensor "${name}" has offsets ${JSON.stringify(offsets)}`);
  }
  const [start = 0, end = 0] = offsets;
  if (start > end || end > dataLength) {
    return fail(`tensor "${name}" lies at ${start} to ${end}, but the file holds ${dataLength} bytes of data`);
  }
  const expected = elementCount(shape) * bytesPerElement[type];
  if (end - start !== expected) {
    return fail(`tensor "${name}" of shape [${shape.join(", ")}] needs ${expected} bytes and has ${end - start}`);
  }
  return { name, type, shape, start, end };
}

function isSizes(value: unknown): value is readonly number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0);
}

function decode(type: StoredType, bytes: Uint8Array): Float32Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const count = bytes.byteLength / bytesPerElement[type];
  switch (type) {
    case "F32":
      // A copy, because the tensor may start anywhere and Float32Array wants multiples of four. Not `slice`, which makes
      // none of a Node Buffer.
      return new Float32Array(new Uint8Array(bytes).buffer);
    case "BF16": {
      // bfloat16 is the upper half of a float32.
      const bits = new Uint32Array(count);
      for (let index = 0; index < count; index++) bits[index] = view.getUint16(2 * index, true) << 16;
      return new Float32Array(bits.buffer);
    }
    case "F16": {
      const values = new Float32Array(count);
      for (let index = 0; index < count; index++) values[index] = fromHalf(view.getUint16(2 * index, true));
      return values;
    }
    default:
      return type satisfies never;
  }
}

function fromHalf(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/**
 * Writes a safetensors file, tensors in the order given.
 *
 * @param type F32 loses nothing; BF16 rounds to the nearest of its 8 significant bits, ties to even.
 */
export function writeSafetensors(
  tensors: ReadonlyMap<string, Tensor>,
  type: "F32" | "BF16",
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array {
  const header: Record<string, unknown> = { __metadata__: { format: "pt", ...metadata } };
  let offset = 0;
  for (const [name, { shape, data }] of tensors) {
    const end = offset + data.length * bytesPerElement[type];
    header[name] = { dtype: type, shape, data_offsets: [offset, end] };
    offset = end;
  }
  const json = new TextEncoder().encode(JSON.stringify(header));
  // Readers that map the file want the data to start at a multiple of eight; the format pads the header with spaces.
  const headerLength = Math.ceil(json.length / 8) * 8;
  const file = new Uint8Array(8 + headerLength + offset);
  const view = new DataView(file.buffer);
  view.setBigUint64(0, BigInt(headerLength), true);
  file.fill(0x20, 8, 8 + headerLength);
  file.set(json, 8);
  let position = 8 + headerLength;
  for (const { data } of tensors.values()) {
    for (const value of type === "F32" ? data : toBfloat16(data)) {
      if (type === "F32") view.setFloat32(position, value, true);
      else view.setUint16(position, value, true);
      position += bytesPerElement[type];
    }
  }
  return file;
}

/** The upper 16 bits of each float32, rounded to nearest, ties to even. */
export function toBfloat16(values: Float32Array): Uint16Array {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  return Uint16Array.from(bits, (word, index) => {
    if (Number.isNaN(values[index])) return (word >>> 16) | 0x40;
    return (word + 0x7fff + ((word >>> 16) & 1)) >>> 16;
  });
}
