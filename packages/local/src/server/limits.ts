/** Bounds and periods of the server. What a client sends beyond one is refused with a message that names it. */
export interface ServerLimits {
  /** Bytes of a request body, also after decompression. Default 128 MiB. */
  readonly bodyBytes: number;
  /** Tokens that one prompt, or all examples of one training pass together, may have. Default 4,194,304. */
  readonly requestTokens: number;
  /** Bytes of accepted requests whose work has not ended; beyond it submissions get 429. Default 1 GiB. */
  readonly pendingBytes: number;
  /** Samples accepted and not finished; beyond it `asample` gets 429 with `Retry-After`. Default 8192. */
  readonly queuedSamples: number;
  /** Samples given to the engine at a time. Default 256. */
  readonly runningSamples: number;
  /** How far a training operation's `seq_id` may run ahead of the next one due. Default 4096. */
  readonly sequenceWindow: number;
  /** Milliseconds to wait for a missing `seq_id` before the operations held behind it fail. Default 300,000. */
  readonly gapTimeoutMs: number;
  /** Milliseconds a `retrieve_future` stays open; clients cut it at 45 s. Default 30,000. */
  readonly longPollMs: number;
  /** Milliseconds without a heartbeat (or since creation) after which a session ends. Default 300,000. */
  readonly sessionExpiryMs: number;
  /** Finished results kept for retrieval, oldest delivered ones going first. Default 16,384. */
  readonly keptResults: number;
  /** Bytes of finished results kept. Default 256 MiB. */
  readonly keptResultBytes: number;
  /** Results larger than this many bytes are announced by size first to clients that allow it. Default 1 MiB. */
  readonly metadataOnlyBytes: number;
}

/** The values documented at {@link ServerLimits}. */
export const defaultLimits: ServerLimits = {
  bodyBytes: 128 * 2 ** 20,
  requestTokens: 2 ** 22,
  pendingBytes: 2 ** 30,
  queuedSamples: 8192,
  runningSamples: 256,
  sequenceWindow: 4096,
  gapTimeoutMs: 300_000,
  longPollMs: 30_000,
  sessionExpiryMs: 300_000,
  keptResults: 16_384,
  keptResultBytes: 256 * 2 ** 20,
  metadataOnlyBytes: 2 ** 20,
};

/** The defaults with `overrides` over them; a value that is not a positive number is a `RangeError`. */
export function resolveLimits(overrides: Partial<ServerLimits> = {}): ServerLimits {
  for (const [name, value] of Object.entries(overrides)) {
    if (!(name in defaultLimits)) throw new RangeError(`limits.${name} is not a limit of the server`);
    if (typeof value !== "number" || !(value > 0)) {
      throw new RangeError(`limits.${name} must be a positive number, got ${String(value)}`);
    }
  }
  const limits = { ...defaultLimits, ...overrides };
  if (limits.longPollMs >= 45_000) {
    throw new RangeError(`limits.longPollMs must stay under 45000, where clients hang up; got ${limits.longPollMs}`);
  }
  return limits;
}
