import type { JsonCodec } from "@tinkex/protocol";
import { HttpError } from "../http-error.ts";
import { payloadDigest } from "../payload-digest.ts";
import { readBody } from "../request-body.ts";
import type { ServerContext } from "../server-context.ts";

/** A decoded request and the size of its body. */
export interface Decoded<T> {
  readonly value: T;
  readonly bytes: number;
}

/** Reads a JSON body. Throws `ProtocolError` for what it may not hold. */
export async function readJson<T>(context: ServerContext, request: Request, codec: JsonCodec<T>): Promise<Decoded<T>> {
  const body = await readBody(request, context.limits.bodyBytes);
  return { value: codec.decode(body), bytes: body.byteLength };
}

/** A query parameter that counts; throws a 400 for anything but a whole number. */
export function queryCount(url: URL, name: string, fallback: number): number {
  const text = url.searchParams.get(name);
  if (text === null) return fallback;
  const value = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(value)) return value;
  throw new HttpError(400, `Query parameter ${name} must be a whole number, got ${JSON.stringify(text.slice(0, 40))}.`);
}

/** The digest of a request without the fields that may differ between two submissions of the same thing. */
export function digestWithout<T extends object>(value: T, ...fields: readonly (keyof T)[]): string {
  return payloadDigest(Object.fromEntries(Object.entries(value).filter(([key]) => !fields.includes(key as keyof T))));
}
