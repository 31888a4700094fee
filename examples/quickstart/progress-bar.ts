import type { WriteStream } from "node:tty";

/** What the bar shows of a training run. */
export interface StepReport {
  readonly step: number;
  readonly steps: number;
  /** Mean loss per trained token, in nats. */
  readonly loss: number;
  readonly tokensPerSecond: number;
}

const barWidth = 24;

/**
 * Shows training as one line that redraws itself; where the output is no terminal, as a plain line every tenth of the
 * way, so that logs stay readable.
 */
export class ProgressBar implements Disposable {
  readonly #out: NodeJS.WritableStream & Pick<Partial<WriteStream>, "isTTY" | "columns">;
  #drawn = false;

  constructor(out: NodeJS.WritableStream & Pick<Partial<WriteStream>, "isTTY" | "columns"> = process.stdout) {
    this.#out = out;
  }

  show(report: StepReport): void {
    if (this.#out.isTTY) {
      this.#out.write(`\r\u001B[K${describe(report, true).slice(0, (this.#out.columns ?? 80) - 1)}`);
      this.#drawn = true;
    } else if (report.step % Math.max(1, Math.round(report.steps / 10)) === 0 || report.step === 1) {
      this.#out.write(`${describe(report, false)}\n`);
    }
  }

  /** Leaves the last state standing, and the cursor on a line of its own. */
  [Symbol.dispose](): void {
    if (this.#drawn) this.#out.write("\n");
    this.#drawn = false;
  }
}

function describe({ step, steps, loss, tokensPerSecond }: StepReport, withBar: boolean): string {
  const filled = Math.round((step / steps) * barWidth);
  const bar = withBar ? `${"█".repeat(filled)}${"░".repeat(barWidth - filled)} ` : "";
  const rate = tokensPerSecond >= 1000 ? `${(tokensPerSecond / 1000).toFixed(1)}k` : tokensPerSecond.toFixed(0);
  return `  ${bar}step ${String(step).padStart(String(steps).length)}/${steps}  loss ${loss.toFixed(3)}  ${rate} tokens/s`;
}
