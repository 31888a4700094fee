import type { SimBody } from "../src/index.ts";
import type { Bug } from "./bug.ts";

interface Sink {
  append(lines: readonly string[]): Promise<void>;
  close(): Promise<void>;
}

/** Buffers lines and writes them every 50 ms. */
class LogWriter {
  protected readonly sink: Sink;
  #lines: string[] = [];
  readonly #timer: NodeJS.Timeout;

  constructor(sink: Sink) {
    this.sink = sink;
    this.#timer = setInterval(() => void this.flush(), 50);
  }

  write(line: string): void {
    this.#lines.push(line);
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.flush();
    await this.sink.close();
  }

  protected async flush(): Promise<void> {
    const lines = this.#lines;
    this.#lines = [];
    if (lines.length > 0) await this.sink.append(lines);
  }
}

/** Waits for a flush that the timer began, too. */
class PatientLogWriter extends LogWriter {
  #flushing: Promise<void> = Promise.resolve();

  protected override flush(): Promise<void> {
    this.#flushing = this.#flushing.then(() => super.flush());
    return this.#flushing;
  }
}

const program =
  (Writer: typeof LogWriter): SimBody =>
  async (sim) => {
    const file: string[] = [];
    let isOpen = true;
    const writer = new Writer({
      append: (lines) => sim.io("append", () => void (isOpen && file.push(...lines))),
      close: () =>
        sim.io("close", () => {
          isOpen = false;
        }),
    });
    for (const line of ["one", "two", "three"]) {
      writer.write(line);
      await sim.sleep(40);
    }
    await writer.close();
    await sim.sleep(400);
    if (file.length !== 3) throw new Error(`the file has ${file.length} lines instead of 3`);
  };

export const closeBeforeFlush: Bug = {
  name: "close-before-flush",
  pattern: "close waits for its own flush, not for the one that the timer has begun",
  kind: "assertion",
  buggy: program(LogWriter),
  fixed: program(PatientLogWriter),
};
