import { createHash, timingSafeEqual } from "node:crypto";
import { HttpError } from "./http-error.ts";

const digest = (text: string): Buffer => createHash("sha256").update(text).digest();

/**
 * A check of `X-API-Key` that throws a 401 for a missing or wrong key. It takes as long for every wrong key, and the
 * key is in no message.
 */
export function keyCheck(apiKey: string): (request: Request) => void {
  const expected = digest(apiKey);
  return (request) => {
    const given = request.headers.get("x-api-key");
    if (given === null) throw new HttpError(401, "The request has no X-API-Key header. Set TINKER_API_KEY.");
    if (!timingSafeEqual(digest(given), expected)) {
      throw new HttpError(401, "The X-API-Key is not this server's. It was chosen or printed when the server started.");
    }
  };
}
