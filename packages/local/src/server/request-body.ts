import { zstdDecompressSync } from "node:zlib";
import { HttpError } from "./http-error.ts";

/** A body beyond the limit, with as much of it as was read (nothing of one that was compressed). */
export class BodyTooLarge extends HttpError {
  readonly prefix: Uint8Array;

  constructor(limit: number, prefix: Uint8Array) {
    super(413, `The request body exceeds ${limit} bytes. Send the data in more, smaller requests.`);
    this.prefix = prefix;
  }
}

/** Reads a whole body, decompressed. Throws `BodyTooLarge` (before or after decompression), 400 or 415 for its encoding. */
export async function readBody(request: Request, limit: number): Promise<Uint8Array> {
  const encoding = request.headers.get("content-encoding") ?? "identity";
  const claimed = Number(request.headers.get("content-length") ?? 0);
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of request.body ?? []) {
    size += part.byteLength;
    parts.push(part);
    // The first part is read even of a body that says it is too large: its beginning tells whose turn it was.
    if (size > limit || claimed > limit) {
      throw new BodyTooLarge(limit, encoding === "identity" ? Buffer.concat(parts) : new Uint8Array());
    }
  }
  const body = parts.length === 1 && parts[0] !== undefined ? parts[0] : Buffer.concat(parts, size);
  if (encoding === "identity") return body;
  if (encoding !== "zstd") {
    throw new HttpError(415, `Content-Encoding ${JSON.stringify(encoding)} is not supported; send zstd or none.`);
  }
  try {
    return zstdDecompressSync(body, { maxOutputLength: limit });
  } catch (cause) {
    // A few bytes can claim gigabytes: decompression stops at the limit, whatever the frame says.
    if (cause instanceof RangeError) throw new BodyTooLarge(limit, new Uint8Array());
    throw new HttpError(400, "The request body is not a valid zstd frame.");
  }
}
