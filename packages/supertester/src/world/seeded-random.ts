import type { Entropy } from "./world.ts";

/** A 32-bit hash of a text (FNV-1a with a final avalanche), the same on every platform. */
export function hashText(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  return avalanche(hash);
}

/** Mixes two 32-bit numbers into one; the order of the arguments matters. */
export function mix(a: number, b: number): number {
  return avalanche(Math.imul(a ^ 0x9e3779b9, 0x85ebca6b) ^ b);
}

/** The finalizer of MurmurHash3: every input bit changes about half of the output bits. */
function avalanche(value: number): number {
  let hash = value ^ (value >>> 16);
  hash = Math.imul(hash, 0x85ebca6b);
  hash ^= hash >>> 13;
  hash = Math.imul(hash, 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** Deterministic randomness from a seed: the generator is sfc32 of PractRand (Chris Doty-Humphrey), 128 bits of state. */
export class SeededRandom implements Entropy {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  constructor(seed: number | string) {
    const hash = hashText(String(seed));
    this.#a = hash;
    this.#b = mix(hash, 1);
    this.#c = mix(hash, 2);
    // Twelve rounds separate the streams of seeds that differ in one bit.
    for (let round = 0; round < 12; round++) this.next();
  }

  /** 32 random bits, as an unsigned integer. */
  next(): number {
    const sum = (this.#a + this.#b + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + sum;
    return sum >>> 0;
  }

  random(): number {
    // 53 bits, the precision of Math.random.
    return ((this.next() >>> 5) * 0x4000000 + (this.next() >>> 6)) / 2 ** 53;
  }

  /** An integer in [0, bound). The bias is below bound / 2^32. */
  below(bound: number): number {
    return Math.floor((this.next() / 0x1_0000_0000) * bound);
  }

  fillBytes(bytes: Uint8Array): void {
    for (let index = 0; index < bytes.length; index++) bytes[index] = this.next();
  }
}
