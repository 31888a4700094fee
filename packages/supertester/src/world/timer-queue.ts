import type { VirtualTimer } from "./virtual-timer.ts";

/** Armed timers by due time, then by arming order: a binary heap in which a timer knows its place, so removal is O(log n). */
export class TimerQueue {
  readonly #heap: VirtualTimer[] = [];

  get size(): number {
    return this.#heap.length;
  }

  peek(): VirtualTimer | undefined {
    return this.#heap[0];
  }

  add(timer: VirtualTimer): void {
    this.#heap.push(timer);
    this.#rise(timer, this.#heap.length - 1);
  }

  /** Returns whether the timer was in the queue. */
  remove(timer: VirtualTimer): boolean {
    const { position } = timer;
    if (this.#heap[position] !== timer) return false;
    timer.position = -1;
    const last = this.#heap.pop();
    if (last !== undefined && last !== timer) {
      this.#rise(last, position);
      this.#sink(last, last.position);
    }
    return true;
  }

  /** All armed timers, in no particular order. */
  [Symbol.iterator](): Iterator<VirtualTimer> {
    return this.#heap.values();
  }

  #rise(timer: VirtualTimer, from: number): void {
    let position = from;
    while (position > 0) {
      const parent = this.#heap[(position - 1) >> 1];
      if (parent === undefined || !isBefore(timer, parent)) break;
      this.#place(parent, position);
      position = (position - 1) >> 1;
    }
    this.#place(timer, position);
  }

  #sink(timer: VirtualTimer, from: number): void {
    let position = from;
    for (;;) {
      const left = this.#heap[2 * position + 1];
      const right = this.#heap[2 * position + 2];
      const child = left !== undefined && right !== undefined && isBefore(right, left) ? right : left;
      if (child === undefined || !isBefore(child, timer)) break;
      const childPosition = child.position;
      this.#place(child, position);
      position = childPosition;
    }
    this.#place(timer, position);
  }

  #place(timer: VirtualTimer, position: number): void {
    this.#heap[position] = timer;
    timer.position = position;
  }
}

function isBefore(a: VirtualTimer, b: VirtualTimer): boolean {
  return a.due < b.due || (a.due === b.due && a.order < b.order);
}
