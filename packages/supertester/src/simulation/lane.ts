import { hashText, mix, SeededRandom } from "../world/seeded-random.ts";
import type { Clock, Entropy, Gate, Network, World } from "../world/world.ts";
import type { Chain } from "./event.ts";
import type { Kernel } from "./kernel.ts";

/**
 * One logical flow of a simulation: the body, a spawned task, or a server at work on one client's requests. It is the
 * world of the code that runs in it, found through the async context, so everything that code starts is named after it.
 */
export class Lane implements World {
  readonly kernel: Kernel;
  readonly name: string;
  readonly hash: number;
  /** A server's own work, which may outlive the body without being a leak. */
  readonly background: boolean;
  /** The chain that this lane used last; see `Chain`. */
  chain: Chain | undefined;
  readonly #occurrences = new Map<string, number>();
  #entropy: SeededRandom | undefined;

  constructor(kernel: Kernel, name: string, background: boolean) {
    this.kernel = kernel;
    this.name = name;
    this.hash = hashText(name);
    this.background = background;
  }

  get clock(): Clock {
    return this.kernel;
  }

  /** A stream per lane, so that another schedule does not reshuffle what each lane draws. */
  get entropy(): Entropy {
    return (this.#entropy ??= new SeededRandom(mix(this.hash, hashText(String(this.kernel.seed)))));
  }

  get fetch(): typeof globalThis.fetch {
    return this.kernel.fetch;
  }

  get network(): Network | undefined {
    return this.kernel.network;
  }

  get gate(): Gate | undefined {
    return this.kernel.gate;
  }

  get onCallbackError(): (error: unknown) => void {
    return this.kernel.onCallbackError;
  }

  get onUnhandledRejection(): (reason: unknown) => void {
    return this.kernel.onUnhandledRejection;
  }

  /** 1 for the first event with this label in this lane, then 2, 3, ...: part of an event's identity. */
  nextOccurrence(label: string): number {
    const occurrence = (this.#occurrences.get(label) ?? 0) + 1;
    this.#occurrences.set(label, occurrence);
    return occurrence;
  }
}
