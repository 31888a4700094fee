/** Holds the event loop up without waiting for anything. */
// oxlint-disable-next-line import/no-default-export -- what `profile` calls
export default function blocking(): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 50);
}
