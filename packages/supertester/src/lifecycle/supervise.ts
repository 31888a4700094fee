import { ChildProcess } from "node:child_process";
import { once } from "node:events";
import type { Worker } from "node:worker_threads";
import { IsolationError, SupertesterError } from "../context/errors.ts";
import { settlesWithin } from "../context/real-time.ts";

/** What can be supervised: what Node can really kill. */
export type SupervisedChild = Worker | ChildProcess;

/** One child of a supervisor. */
export interface ChildSpec {
  readonly name: string;
  /** Makes the child; called again for every restart. */
  start(): SupervisedChild;
  /** When an exit is followed by a restart: always, only after a failure (non-zero code, signal, error), or never. Default `permanent`. */
  readonly restart?: "permanent" | "transient" | "temporary";
}

/** How children are restarted. */
export interface SuperviseOptions {
  readonly children: readonly ChildSpec[];
  /** Who is restarted with a child that exited: nobody else, everybody, or those listed after it. Default `one-for-one`. */
  readonly strategy?: "one-for-one" | "one-for-all" | "rest-for-one";
  /** Exits followed by a restart before the supervisor gives up and stops everything. Default 3. */
  readonly maxRestarts?: number;
  /** Real milliseconds a child process may take to obey SIGTERM before it gets SIGKILL. Default 1000. */
  readonly limitMs?: number;
}

/** Something that happened to a child, in order. */
export interface SupervisorEvent {
  /** `exited`: by itself. `stopped`: by the supervisor. `gave-up`: after too many restarts; `child` exited last. */
  readonly kind: "started" | "exited" | "stopped" | "restarted" | "gave-up";
  readonly child: string;
  /** Exit code or signal, and the error of a worker that threw: how it ended. */
  readonly code?: number | string;
  readonly error?: unknown;
}

/** What the supervisor did is not what the test expected; `events` has the whole story. */
export class SupervisionError extends SupertesterError {
  override name = "SupervisionError";
  readonly events: readonly SupervisorEvent[];

  constructor(message: string, events: readonly SupervisorEvent[]) {
    const story = events
      .map(({ kind, child, code }) => `  ${child} ${kind}${code === undefined ? "" : ` (${code})`}`)
      .join("\n");
    super(`${message}\n${story}`);
    this.events = events;
  }
}

interface Running {
  readonly spec: ChildSpec;
  child: SupervisedChild;
  /** Resolves when this child has ended. */
  ended: Promise<void>;
  stopping: boolean;
  restarts: number;
}

/** Starts children, restarts them by a strategy, records everything, and stops them all at the end. */
export class Supervisor implements AsyncDisposable {
  readonly #options: SuperviseOptions;
  readonly #running: Running[] = [];
  readonly #events: SupervisorEvent[] = [];
  readonly #waiters = new Set<() => void>();
  #work: Promise<void> = Promise.resolve();
  #restarts = 0;
  #state: "running" | "gave-up" | "closed" = "running";

  private constructor(options: SuperviseOptions) {
    this.#options = options;
  }

  /**
   * Starts all children, in order, each once the one before it is up.
   *
   * @throws IsolationError `invalid-argument` for no child, or two of one name.
   */
  static async start(options: SuperviseOptions): Promise<Supervisor> {
    const names = options.children.map(({ name }) => name);
    if (names.length === 0 || new Set(names).size !== names.length) {
      throw new IsolationError(
        "invalid-argument",
        `supervise needs children with different names, and was given [${names.join(", ")}]`,
      );
    }
    const supervisor = new Supervisor(options);
    try {
      for (const spec of options.children) {
        const running: Running = { spec, child: spec.start(), ended: Promise.resolve(), stopping: false, restarts: 0 };
        supervisor.#running.push(running);
        await supervisor.#watch(running, "started");
      }
    } catch (error) {
      await supervisor.close();
      throw error;
    }
    return supervisor;
  }

  /** Everything that happened, in order. */
  get events(): readonly SupervisorEvent[] {
    return this.#events;
  }

  /** `gave-up` after too many restarts, `closed` after the end. */
  get state(): "running" | "gave-up" | "closed" {
    return this.#state;
  }

  /** The child of this name as it is now. @throws IsolationError `invalid-argument` for an unknown name. */
  child(name: string): SupervisedChild {
    return this.#find(name).child;
  }

  /** How often the child has been restarted, with others or for its own sake. */
  restarts(name: string): number {
    return this.#find(name).restarts;
  }

  /** Kills a child, as a crash would: the strategy answers. Resolves when the answer is complete. */
  async crash(name: string): Promise<void> {
    const running = this.#find(name);
    const { child, ended } = running;
    if (child instanceof ChildProcess) child.kill("SIGKILL");
    else await child.terminate();
    await ended;
    await this.stable();
  }

  /** Resolves when no restart is under way. */
  async stable(): Promise<void> {
    for (let work: Promise<void> | undefined; work !== this.#work;) await (work = this.#work);
  }

  /**
   * Resolves when the child has been restarted `times` in all (default 1).
   *
   * @throws SupervisionError when the supervisor has given up or was closed before; the signal's reason when it aborts.
   */
  async restarted(name: string, times = 1, signal?: AbortSignal): Promise<void> {
    const running = this.#find(name);
    while (running.restarts < times) {
      signal?.throwIfAborted();
      if (this.#state !== "running") {
        throw new SupervisionError(
          `${name} was restarted ${running.restarts} times, not ${times}, and the supervisor has ${this.#state}:`,
          this.#events,
        );
      }
      await new Promise<void>((resolve) => {
        const wake = () => {
          this.#waiters.delete(wake);
          signal?.removeEventListener("abort", wake);
          resolve();
        };
        this.#waiters.add(wake);
        signal?.addEventListener("abort", wake, { once: true });
      });
    }
    await this.stable();
  }

  /**
   * Once no restart is under way, every child has been restarted exactly as often as `expected` says; it must name them all.
   *
   * @throws SupervisionError otherwise; IsolationError `invalid-argument` for unknown or missing names.
   */
  async expectRestarts(expected: Readonly<Record<string, number>>): Promise<void> {
    for (const name of Object.keys(expected)) this.#find(name);
    await this.stable();
    const wrong = this.#running.flatMap(({ spec: { name }, restarts }) => {
      const wanted = expected[name];
      if (wanted === undefined) {
        throw new IsolationError(
          "invalid-argument",
          `expectRestarts does not say how often "${name}" was restarted; name every child`,
        );
      }
      return wanted === restarts ? [] : [`${name} ${restarts} times instead of ${wanted}`];
    });
    if (wrong.length > 0) throw new SupervisionError(`restarted: ${wrong.join(", ")}:`, this.#events);
  }

  /** Stops every child in reverse order. Idempotent. */
  async close(): Promise<void> {
    if (this.#state !== "gave-up") this.#state = "closed";
    await this.stable();
    for (const running of this.#running.toReversed()) await this.#stop(running);
    this.#wake();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #find(name: string): Running {
    const running = this.#running.find(({ spec }) => spec.name === name);
    if (running !== undefined) return running;
    const names = this.#running.map(({ spec }) => spec.name).join(", ");
    throw new IsolationError("invalid-argument", `no supervised child is called "${name}"; there are ${names}`);
  }

  #record(event: SupervisorEvent): void {
    this.#events.push(event);
    this.#wake();
  }

  #wake(): void {
    for (const wake of this.#waiters) wake();
  }

  /** Follows a child that was just made; resolves when it is up or has ended. */
  async #watch(running: Running, kind: "started" | "restarted"): Promise<void> {
    const { child, spec } = running;
    running.stopping = false;
    let failure: unknown;
    const emitter: NodeJS.EventEmitter = child;
    emitter.on("error", (error: unknown) => (failure = error));
    running.ended = new Promise((resolve) => {
      // A command that does not exist never exits: it only has an error.
      const gone = child instanceof ChildProcess && child.pid === undefined ? "error" : "exit";
      emitter.once(gone, (code: unknown, signal: unknown) => {
        this.#exited(running, gone === "exit" ? ((code ?? signal) as number | string) : "failed to start", failure);
        resolve();
      });
    });
    const up = once(child, child instanceof ChildProcess ? "spawn" : "online").catch(() => undefined);
    await Promise.race([up, running.ended]);
    if (kind === "restarted") running.restarts += 1;
    this.#record({ kind, child: spec.name });
  }

  #exited(running: Running, code: number | string, error: unknown): void {
    const { name, restart = "permanent" } = running.spec;
    const kind = running.stopping ? "stopped" : "exited";
    this.#record({ kind, child: name, code, ...(error === undefined ? {} : { error }) });
    if (running.stopping || this.#state !== "running") return;
    if (restart === "temporary" || (restart === "transient" && code === 0)) return;
    this.#work = this.#work.then(() => this.#answer(running)).catch((cause: unknown) => this.#giveUp(running, cause)); // a child that cannot even be made again
  }

  async #answer(exited: Running): Promise<void> {
    if (this.#state !== "running") return;
    if (this.#restarts >= (this.#options.maxRestarts ?? 3)) {
      await this.#giveUp(exited);
      return;
    }
    this.#restarts += 1;
    const affected = this.#affected(exited);
    for (const running of affected.toReversed()) await this.#stop(running);
    for (const running of affected) {
      running.child = running.spec.start();
      await this.#watch(running, "restarted");
    }
  }

  async #giveUp(exited: Running, error?: unknown): Promise<void> {
    this.#state = "gave-up";
    for (const running of this.#running.toReversed()) await this.#stop(running);
    this.#record({ kind: "gave-up", child: exited.spec.name, ...(error === undefined ? {} : { error }) });
  }

  #affected(exited: Running): readonly Running[] {
    const { strategy = "one-for-one" } = this.#options;
    if (strategy === "one-for-one") return [exited];
    return strategy === "one-for-all" ? this.#running : this.#running.slice(this.#running.indexOf(exited));
  }

  async #stop(running: Running): Promise<void> {
    const { child, ended } = running;
    running.stopping = true;
    if (!(child instanceof ChildProcess)) await child.terminate();
    else if (child.exitCode === null && child.signalCode === null) {
      child.kill("SIGTERM");
      if (!(await settlesWithin(ended, this.#options.limitMs ?? 1000))) child.kill("SIGKILL");
    }
    await ended;
  }
}
