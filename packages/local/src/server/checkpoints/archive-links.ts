import { randomUUID } from "node:crypto";
import { HttpError } from "../http-error.ts";
import type { Runtime } from "../runtime.ts";
import type { CheckpointRecord } from "./checkpoint-record.ts";

const lifetimeMs = 15 * 60_000;
const keptLinks = 1000;

/** Links under which an archive can be fetched without a key, for as long as they are secret and fresh. */
export class ArchiveLinks {
  readonly #runtime: Runtime;
  readonly #links = new Map<string, { readonly record: CheckpointRecord; readonly expires: number }>();

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
  }

  /** A new link, good for 15 minutes. `expires` is in milliseconds since the Unix epoch. */
  open(record: CheckpointRecord): { readonly token: string; readonly expires: number } {
    const token = randomUUID();
    const expires = this.#runtime.now() + lifetimeMs;
    this.#links.set(token, { record, expires });
    for (const old of this.#links.keys()) {
      if (this.#links.size <= keptLinks) break;
      this.#links.delete(old);
    }
    return { token, expires };
  }

  /** The checkpoint behind a link; throws a 404 when the link is unknown or too old. */
  get(token: string): CheckpointRecord {
    const link = this.#links.get(token);
    if (link !== undefined && this.#runtime.now() < link.expires) return link.record;
    throw new HttpError(404, "This archive link is unknown or older than 15 minutes; ask for a new one.");
  }
}
