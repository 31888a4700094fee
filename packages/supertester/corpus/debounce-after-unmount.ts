import type { SimBody } from "../src/index.ts";
import type { Bug } from "./bug.ts";

/** A text field that saves 50 ms after the last keystroke. */
class Field {
  protected timer: NodeJS.Timeout | undefined;
  #isMounted = true;
  readonly #events: EventTarget;

  constructor(events: EventTarget) {
    this.#events = events;
    events.addEventListener("input", this.#onInput);
  }

  unmount(): void {
    this.#isMounted = false;
    this.#events.removeEventListener("input", this.#onInput);
  }

  readonly #onInput = () => {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.#save(), 50);
  };

  #save(): void {
    if (!this.#isMounted) throw new Error("the state of an unmounted field was set");
  }
}

class TidyField extends Field {
  override unmount(): void {
    super.unmount();
    clearTimeout(this.timer);
  }
}

const program =
  (SomeField: typeof Field): SimBody =>
  async (sim) => {
    const events = new EventTarget();
    const field = new SomeField(events);
    const type = sim.io("keystroke").then(() => events.dispatchEvent(new Event("input")));
    const leave = sim.sleep(150).then(() => field.unmount());
    await Promise.all([type, leave]);
    await sim.sleep(100);
  };

export const debounceAfterUnmount: Bug = {
  name: "debounce-after-unmount",
  pattern: "a debounced save fires after the component it belongs to is gone",
  kind: "uncaught",
  buggy: program(Field),
  fixed: program(TidyField),
};
