const kept: unknown[] = [];

/** Retains 64 kB a round. */
// oxlint-disable-next-line import/no-default-export -- what `profile` calls
export default function leaky(round: number): void {
  kept.push(Array.from({ length: 8192 }, (_, index) => index + round + 0.5));
}
