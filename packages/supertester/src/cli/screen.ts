import { styleText } from "node:util";
import type { RecordedFailure } from "../exploration/journal.ts";
import { renderReport } from "../exploration/report.ts";

/** Where the tool writes to, such as `process.stdout`. */
export interface Output {
  write(text: string): unknown;
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
}

/** Between two lines of progress where one cannot be replaced by the next, in milliseconds. */
const logEveryMs = 10_000;

/** Lines of results, and under them, on a terminal, one line of progress that is written over and over. */
export class Screen {
  readonly #output: Output;
  readonly #isTerminal: boolean;
  #hasStatus = false;
  #lastLogged = -Infinity;

  constructor(output: Output) {
    this.#output = output;
    this.#isTerminal = output.isTTY === true;
  }

  print(text: string): void {
    this.clearStatus();
    this.#output.write(`${text}\n`);
  }

  /** Shows how far things are. */
  status(text: string): void {
    if (this.#isTerminal) {
      const width = (this.#output.columns ?? 80) - 1;
      this.#output.write(`\r\u001B[2K${this.dim(text.length > width ? `${text.slice(0, width - 1)}…` : text)}`);
      this.#hasStatus = true;
    } else if (performance.now() - this.#lastLogged >= logEveryMs) {
      this.#lastLogged = performance.now();
      this.#output.write(`${text}\n`);
    }
  }

  clearStatus(): void {
    if (this.#hasStatus) this.#output.write("\r\u001B[2K");
    this.#hasStatus = false;
  }

  failure(failure: RecordedFailure): void {
    const width = Math.max(80, Math.min(this.#output.columns ?? 110, 160));
    this.print(renderReport(failure, { color: this.#isTerminal, width }));
  }

  dim(text: string): string {
    return this.#paint("dim", text);
  }

  good(text: string): string {
    return this.#paint("green", text);
  }

  bad(text: string): string {
    return this.#paint("red", text);
  }

  #paint(format: "dim" | "green" | "red", text: string): string {
    return this.#isTerminal ? styleText(format, text, { validateStream: false }) : text;
  }
}
