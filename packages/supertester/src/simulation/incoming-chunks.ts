/** Where an exchange's chunks go once somebody reads them. */
export interface ChunkConsumer {
  chunk(bytes: Uint8Array): void;
  end(): void;
  error(error: unknown): void;
}

/** A body that arrives while the client reads it. */
export class IncomingChunks {
  readonly #start: (consumer: ChunkConsumer) => void;
  readonly #cancel: () => void;
  #dropped = false;
  isDone = false;

  constructor(start: (consumer: ChunkConsumer) => void, cancel: () => void) {
    this.#start = start;
    this.#cancel = cancel;
  }

  /** Starts the flow into `consumer`; to be called once. */
  read(consumer: ChunkConsumer): void {
    const unless = (action: () => void) => {
      if (!this.#dropped && !this.isDone) action();
    };
    this.#start({
      chunk: (bytes) => unless(() => consumer.chunk(bytes)),
      end: () =>
        unless(() => {
          this.isDone = true;
          consumer.end();
        }),
      error: (error) =>
        unless(() => {
          this.isDone = true;
          consumer.error(error);
        }),
    });
  }

  /** Nobody reads any more. */
  drop(): void {
    if (this.#dropped || this.isDone) return;
    this.#dropped = true;
    this.#cancel();
  }
}
