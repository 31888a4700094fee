import { cacheNames } from "../model/decoding-graph.ts";
import type { DecoderConfig } from "../model/config.ts";
import { float32Tensor, type Feeds } from "../engine/runtime.ts";

const smallestCapacity = 32;

/**
 * Keys and values of several sequences, one row each, rows 0 to `rows` in use without gaps. The decoding graph writes
 * into this memory in place; capacity doubles when a sequence outgrows it.
 */
export class KeyValueCache {
  readonly #config: DecoderConfig;
  #arrays: readonly Float32Array[];
  #rowsAllocated = 1;
  #capacity = smallestCapacity;
  #rows = 0;
  #feeds: { readonly feeds: Feeds; readonly fetches: Feeds } | undefined;

  constructor(config: DecoderConfig) {
    this.#config = config;
    this.#arrays = this.#allocate();
  }

  get rows(): number {
    return this.#rows;
  }

  /** What a run on all rows is fed, and the same memory as what it fetches. */
  tensors(): { readonly feeds: Feeds; readonly fetches: Feeds } {
    if (this.#feeds !== undefined) return this.#feeds;
    const { keyValueHeads, headSize, layers } = this.#config;
    const shape = [this.#rows, keyValueHeads, this.#capacity, headSize];
    const tensors = this.#arrays.map((array) => float32Tensor(array.subarray(0, this.#rows * this.#rowSize), shape));
    const feeds: Record<string, (typeof tensors)[number]> = {};
    const fetches: Record<string, (typeof tensors)[number]> = {};
    for (let layer = 0; layer < layers; layer++) {
      const names = cacheNames(layer);
      const [keys, values] = tensors.slice(2 * layer, 2 * layer + 2);
      if (keys === undefined || values === undefined) continue;
      feeds[names.keys] = keys;
      feeds[names.values] = values;
      fetches[names.newKeys] = keys;
      fetches[names.newValues] = values;
    }
    this.#feeds = { feeds, fetches };
    return this.#feeds;
  }

  /** Makes room for sequences of this length. */
  reserve(length: number): void {
    if (length > this.#capacity) this.#resize(this.#rowsAllocated, length);
  }

  /** Appends an empty row, or a copy of a row of another cache. */
  addRow(source?: KeyValueCache, row = 0): void {
    if (this.#rows === this.#rowsAllocated) this.#resize(2 * this.#rowsAllocated, this.#capacity);
    if (source !== undefined) {
      if (source.#capacity > this.#capacity) this.#resize(this.#rowsAllocated, source.#capacity);
      for (const [index, from] of source.#arrays.entries()) {
        this.#copyRow(from, row, source.#capacity, this.#arrays[index] ?? from, this.#rows, this.#capacity);
      }
    }
    this.#rows += 1;
    this.#feeds = undefined;
  }

  /** Removes a row; the last one takes its place. */
  removeRow(row: number): void {
    const last = this.#rows - 1;
    if (row !== last) {
      for (const array of this.#arrays) {
        array.copyWithin(row * this.#rowSize, last * this.#rowSize, (last + 1) * this.#rowSize);
      }
    }
    this.#rows = last;
    this.#feeds = undefined;
  }

  get #rowSize(): number {
    return this.#config.keyValueHeads * this.#capacity * this.#config.headSize;
  }

  #allocate(): readonly Float32Array[] {
    return Array.from({ length: 2 * this.#config.layers }, () => new Float32Array(this.#rowsAllocated * this.#rowSize));
  }

  #resize(rows: number, length: number): void {
    const old = { arrays: this.#arrays, capacity: this.#capacity };
    while (this.#capacity < length) this.#capacity *= 2;
    this.#rowsAllocated = rows;
    this.#arrays = this.#allocate();
    for (const [index, from] of old.arrays.entries()) {
      for (let row = 0; row < this.#rows; row++) {
        this.#copyRow(from, row, old.capacity, this.#arrays[index] ?? from, row, this.#capacity);
      }
    }
    this.#feeds = undefined;
  }

  #copyRow(
    from: Float32Array,
    fromRow: number,
    fromCapacity: number,
    to: Float32Array,
    toRow: number,
    toCapacity: number,
  ): void {
    const { keyValueHeads, headSize } = this.#config;
    const length = Math.min(fromCapacity, toCapacity) * headSize;
    for (let head = 0; head < keyValueHeads; head++) {
      const start = (fromRow * keyValueHeads + head) * fromCapacity * headSize;
      to.set(from.subarray(start, start + length), (toRow * keyValueHeads + head) * toCapacity * headSize);
    }
  }
}
