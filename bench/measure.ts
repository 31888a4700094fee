/** Milliseconds, as a row of a table. */
export type Timing = Readonly<Record<"p50" | "p90" | "p99", string>>;

export async function timed(work: () => Promise<void>): Promise<number> {
  const started = performance.now();
  await work();
  return performance.now() - started;
}

/** Runs `work` that many times, after a few runs that do not count. */
export async function measure(times: number, work: () => Promise<void>): Promise<Timing> {
  for (let warmUp = 0; warmUp < Math.min(10, times); warmUp++) await work();
  const milliseconds: number[] = [];
  for (let run = 0; run < times; run++) milliseconds.push(await timed(work));
  return percentiles(milliseconds);
}

export function percentiles(milliseconds: readonly number[]): Timing {
  const sorted = milliseconds.toSorted((a, b) => a - b);
  const at = (share: number): string =>
    (sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0).toFixed(2);
  return { p50: at(0.5), p90: at(0.9), p99: at(0.99) };
}
