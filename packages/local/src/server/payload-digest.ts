import { createHash, type Hash } from "node:crypto";

/**
 * A digest of a decoded request: equal for equal meaning, whatever the order of its fields or the encoding it came in.
 * It tells a repeated submission from another one under the same number.
 */
export function payloadDigest(value: unknown): string {
  const hash = createHash("sha256");
  feed(hash, value);
  return hash.digest("base64");
}

function feed(hash: Hash, value: unknown): void {
  if (ArrayBuffer.isView(value)) {
    hash.update(`view ${value.byteLength} `);
    hash.update(new Uint8Array(value.buffer, value.byteOffset, value.byteLength));
  } else if (Array.isArray(value)) {
    hash.update(`list ${value.length} `);
    if (value.every((item) => typeof item === "number")) hash.update(new Float64Array(value));
    else for (const item of value) feed(hash, item);
  } else if (typeof value === "object" && value !== null) {
    const entries = Object.entries(value)
      .filter(([, item]) => item !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : 1));
    hash.update(`map ${entries.length} `);
    for (const [key, item] of entries) {
      feed(hash, key);
      feed(hash, item);
    }
  } else {
    const text = String(value);
    hash.update(`${typeof value} ${text.length} ${text} `);
  }
}
