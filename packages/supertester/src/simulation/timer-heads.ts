import { TimerQueue } from "../world/timer-queue.ts";
import type { VirtualTimer } from "../world/virtual-timer.ts";
import { SimEvent } from "./event.ts";
import type { PendingEvents } from "./pending-events.ts";

/**
 * The timers and immediates of a run. Each kind is a queue that Node never reorders, so only the head of each is
 * pending; those behind it wait for their turn.
 */
export class TimerHeads {
  readonly #pending: PendingEvents;
  readonly #timers = new TimerQueue();
  readonly #immediates: VirtualTimer[] = [];
  #nextImmediate = 0;
  #timerHead: VirtualTimer | undefined;

  constructor(pending: PendingEvents) {
    this.#pending = pending;
  }

  /** Whether any timer (not immediate) is armed. */
  get hasTimers(): boolean {
    return this.#timerHead !== undefined;
  }

  /** Timers that are armed, without immediates: those are done within the turn. */
  get armed(): readonly VirtualTimer[] {
    return [...this.#timers];
  }

  /** Takes a timer whose `record` is its event. */
  add(timer: VirtualTimer): void {
    if (timer.kind === "immediate") {
      this.#immediates.push(timer);
      if (this.#immediates.length === this.#nextImmediate + 1) this.#exposeImmediate();
    } else {
      this.#timers.add(timer);
      this.#exposeTimer();
    }
  }

  /** Takes a timer back; returns whether it was there. */
  remove(timer: VirtualTimer): boolean {
    if (timer.kind !== "immediate") {
      if (!this.#timers.remove(timer)) return false;
      this.#exposeTimer();
      return true;
    }
    const index = this.#immediates.indexOf(timer, this.#nextImmediate);
    if (index === -1) return false;
    this.#immediates.splice(index, 1);
    if (timer.record instanceof SimEvent && this.#pending.remove(timer.record)) this.#exposeImmediate();
    return true;
  }

  /** A head has been taken to run: the next in its queue takes its place. */
  advance(timer: VirtualTimer): void {
    if (timer.kind === "immediate") {
      this.#nextImmediate++;
      if (this.#nextImmediate > 1024) {
        this.#immediates.splice(0, this.#nextImmediate);
        this.#nextImmediate = 0;
      }
      this.#exposeImmediate();
    } else {
      this.#timers.remove(timer);
      this.#timerHead = undefined;
      this.#exposeTimer();
    }
  }

  #exposeImmediate(): void {
    const head = this.#immediates[this.#nextImmediate];
    if (head?.record instanceof SimEvent) this.#pending.add(head.record);
  }

  #exposeTimer(): void {
    const head = this.#timers.peek();
    if (head === this.#timerHead) return;
    if (this.#timerHead?.record instanceof SimEvent) this.#pending.remove(this.#timerHead.record);
    if (head?.record instanceof SimEvent) this.#pending.add(head.record);
    this.#timerHead = head;
  }
}
