/** Reads a server's body as fast as it is written, so that a body which is complete at delivery needs no chunk events. */
export class BodyPump {
  /** Called once, when a chunk or the end can be taken. */
  onReady: (() => void) | undefined;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #chunks: (Uint8Array | "end" | { readonly error: unknown })[] = [];

  constructor(body: ReadableStream<Uint8Array>) {
    this.#reader = body.getReader();
    void this.#pump();
  }

  /** The whole body when the server has finished it, else undefined. */
  complete(): Uint8Array | undefined {
    if (this.#chunks.at(-1) !== "end") return undefined;
    return Buffer.concat(this.#chunks.filter((chunk) => chunk instanceof Uint8Array));
  }

  /** Calls `onReady` when there is something to take already. */
  poll(): void {
    if (this.#chunks.length > 0) this.onReady?.();
  }

  take(): Uint8Array | "end" | { readonly error: unknown } {
    return this.#chunks.shift() ?? "end";
  }

  cancel(): void {
    this.onReady = undefined;
    this.#reader.cancel().catch(() => {});
  }

  async #pump(): Promise<void> {
    try {
      for (;;) {
        const { done, value } = await this.#reader.read();
        this.#chunks.push(done ? "end" : value);
        this.onReady?.();
        if (done) return;
      }
    } catch (error) {
      this.#chunks.push({ error });
      this.onReady?.();
    }
  }
}
