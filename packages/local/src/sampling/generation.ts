import type { AdapterWeights } from "../engine/adapter.ts";
import { EngineError, type SampleResult, type SampleWork } from "../engine/engine.ts";
import type { FairShare } from "../engine/fair-share.ts";
import type { ModelRuntime } from "../engine/model-runtime.ts";
import { float32Result, int32Tensor } from "../engine/runtime.ts";
import { decodingNames } from "../model/decoding-graph.ts";
import { RandomStream } from "../model/random-stream.ts";
import { KeyValueCache } from "./key-value-cache.ts";
import type { StopCondition } from "./stop-condition.ts";
import { chooseToken } from "./token-choice.ts";

/** Sequences that one step extends together. More wait: a step that is too wide makes everyone slow. */
const mostRows = 64;

/** Bytes that the batch's keys and values may take; at least one sequence always runs. */
const cacheBudget = 1 << 30;

/** Prompt tokens per run, so that a long prompt lets others in between. */
const promptChunk = 512;

export type GeneratedSequence = SampleResult["sequences"][number];

/** What generation needs to know of a sample request. */
export interface GenerationRequest {
  readonly work: SampleWork;
  readonly seed: number | bigint;
  readonly stop: StopCondition;
  readonly signal: AbortSignal | undefined;
}

interface Job extends GenerationRequest {
  readonly sequences: (GeneratedSequence | undefined)[];
  readonly resolve: (sequences: readonly GeneratedSequence[]) => void;
  readonly reject: (reason: unknown) => void;
  /** The prompt's keys and values and the distribution that follows it, kept until every sequence has started. */
  prompt?: { readonly cache: KeyValueCache; readonly logprobs: Float32Array };
  started: number;
  finished: number;
  settled: boolean;
}

interface Row {
  readonly job: Job;
  readonly index: number;
  readonly random: RandomStream;
  readonly tokens: number[];
  readonly logprobs: number[];
}

/**
 * Generates with one set of weights, for any number of requests at once (continuous batching): sequences join the
 * batch when there is room and leave it when they end, and each step extends all of them by a token. A sequence draws
 * from a random stream of its own, so that its tokens do not depend on its neighbours.
 */
export class Generator {
  readonly #model: ModelRuntime;
  readonly #weights: AdapterWeights;
  readonly #share: FairShare;
  readonly #lane: string;
  #cache: KeyValueCache;
  readonly #waiting: Job[] = [];
  readonly #rows: Row[] = [];
  #running = false;

  constructor(model: ModelRuntime, weights: AdapterWeights, share: FairShare, lane: string) {
    this.#model = model;
    this.#weights = weights;
    this.#share = share;
    this.#lane = lane;
    this.#cache = new KeyValueCache(model.config);
  }

  /** @throws the signal's reason when it aborts before all sequences are complete. */
  async generate(request: GenerationRequest): Promise<readonly GeneratedSequence[]> {
    request.signal?.throwIfAborted();
    return new Promise((resolve, reject) => {
      const sequences = Array.from({ length: request.work.numSamples }, () => undefined);
      this.#waiting.push({ ...request, sequences, resolve, reject, started: 0, finished: 0, settled: false });
      if (!this.#running) void this.#run();
    });
  }

  async #run(): Promise<void> {
    this.#running = true;
    try {
      while (this.#waiting.length > 0 || this.#rows.length > 0) {
        this.#dropAborted();
        await this.#admit();
        if (this.#rows.length > 0) await this.#step();
      }
    } catch (error) {
      const jobs = new Set([...this.#waiting.splice(0), ...this.#rows.map(({ job }) => job)]);
      while (this.#rows.length > 0) this.#removeRow(this.#rows.length - 1);
      for (const job of jobs) this.#fail(job, error);
    } finally {
      this.#running = false;
      // What the widest batch took is not kept for the next request.
      this.#cache = new KeyValueCache(this.#model.config);
    }
  }

  async #admit(): Promise<void> {
    let job = this.#waiting[0];
    while (job !== undefined && this.#hasRoom(job)) {
      const prompt = (job.prompt ??= await this.#readPrompt(job));
      // Reading took a while; the request may be gone.
      if (job.signal?.aborted === true) this.#fail(job, job.signal.reason);
      while (!job.settled && job.started < job.work.numSamples && this.#hasRoom(job)) {
        const row: Row = {
          job,
          index: job.started++,
          random: new RandomStream(job.seed, job.started - 1),
          tokens: [],
          logprobs: [],
        };
        this.#rows.push(row);
        this.#cache.addRow(prompt.cache);
        this.#extend(row, prompt.logprobs);
      }
      if (!job.settled && job.started < job.work.numSamples) return;
      delete job.prompt;
      this.#waiting.shift();
      job = this.#waiting[0];
    }
  }

  #hasRoom(next: Job): boolean {
    const rows = this.#rows.length + 1;
    const { layers, keyValueHeads, headSize } = this.#model.config;
    const bytesPerToken = 2 * layers * keyValueHeads * headSize * Float32Array.BYTES_PER_ELEMENT;
    const longest = Math.max(...[next, ...this.#rows.map(({ job }) => job)].map((job) => this.#mostTokens(job)));
    return rows === 1 || (rows <= mostRows && rows * longest * bytesPerToken <= cacheBudget);
  }

  #mostTokens({ work }: Job): number {
    return Math.min(work.prompt.length + work.maxTokens, this.#model.config.maxContextLength);
  }

  async #readPrompt({ work }: Job): Promise<NonNullable<Job["prompt"]>> {
    const cache = new KeyValueCache(this.#model.config);
    cache.addRow();
    cache.reserve(work.prompt.length);
    let logprobs = new Float32Array();
    for (let start = 0; start < work.prompt.length; start += promptChunk) {
      const tokens = work.prompt.subarray(start, start + promptChunk);
      logprobs = await this.#decode(cache, tokens, [1, tokens.length], Int32Array.of(start + tokens.length - 1));
    }
    return { cache, logprobs };
  }

  /** Extends every row by one token. */
  async #step(): Promise<void> {
    const rows = [...this.#rows];
    const lengths = rows.map(({ job, tokens }) => job.work.prompt.length + tokens.length);
    this.#cache.reserve(Math.max(...lengths));
    const tokens = Int32Array.from(rows, (row) => row.tokens.at(-1) ?? 0);
    const last = Int32Array.from(lengths, (length) => length - 1);
    const logprobs = await this.#decode(this.#cache, tokens, [rows.length, 1], last);
    const { vocabularySize } = this.#model.config;
    // From the back, because a removed row's place is taken by the last one.
    for (let index = rows.length - 1; index >= 0; index--) {
      const row = rows[index];
      if (row === undefined) continue;
      this.#extend(row, logprobs.subarray(index * vocabularySize, (index + 1) * vocabularySize));
    }
  }

  async #decode(
    cache: KeyValueCache,
    tokens: Int32Array,
    shape: readonly [number, number],
    last: Int32Array,
  ): Promise<Float32Array<ArrayBuffer>> {
    const session = await this.#model.session("decoding", this.#weights.modules);
    return this.#share.run(this.#lane, async () => {
      const { feeds, fetches } = cache.tensors();
      const results = await session.run(
        {
          ...this.#model.weightFeeds("decoding"),
          ...this.#weights.feeds,
          ...feeds,
          [decodingNames.tokens]: int32Tensor(tokens, shape),
          [decodingNames.last]: int32Tensor(last, [last.length]),
          [decodingNames.longest]: int32Tensor(Int32Array.of(Math.max(...last) + 1), [1]),
        },
        { ...fetches, [decodingNames.logprobs]: null },
      );
      return float32Result(results, decodingNames.logprobs) as Float32Array<ArrayBuffer>;
    });
  }

  /** Draws the row's next token and retires the row when that ends its sequence. */
  #extend(row: Row, logprobs: Float32Array): void {
    const { job } = row;
    const { work } = job;
    if (Number.isNaN(logprobs[0])) {
      this.#removeRow(this.#rows.indexOf(row));
      this.#fail(job, new EngineError("The weights give no distribution to sample from: some of them are not finite"));
      return;
    }
    const token = chooseToken(logprobs, work, row.random);
    row.tokens.push(token);
    row.logprobs.push(logprobs[token] ?? NaN);

    const stopped = job.stop.reached(row.tokens);
    const full = work.prompt.length + row.tokens.length >= this.#mostTokens(job);
    if (!stopped && !full) return;
    this.#removeRow(this.#rows.indexOf(row));
    job.sequences[row.index] = {
      tokens: Int32Array.from(row.tokens),
      logprobs: Float32Array.from(row.logprobs),
      stopReason: stopped ? "stop" : "length",
    };
    job.finished += 1;
    if (job.finished === work.numSamples && !job.settled) {
      job.settled = true;
      job.resolve(job.sequences.flatMap((sequence) => sequence ?? []));
    }
  }

  #dropAborted(): void {
    const aborted = (job: Job): boolean => job.settled || job.signal?.aborted === true;
    for (let index = this.#rows.length - 1; index >= 0; index--) {
      const job = this.#rows[index]?.job;
      if (job === undefined || !aborted(job)) continue;
      this.#removeRow(index);
      this.#fail(job, job.signal?.reason);
    }
    for (const job of this.#waiting.filter(aborted)) {
      this.#waiting.splice(this.#waiting.indexOf(job), 1);
      this.#fail(job, job.signal?.reason);
    }
  }

  #removeRow(index: number): void {
    const last = this.#rows.pop();
    if (last !== undefined && index < this.#rows.length) this.#rows[index] = last;
    this.#cache.removeRow(index);
  }

  #fail(job: Job, reason: unknown): void {
    if (job.settled) return;
    job.settled = true;
    job.reject(reason);
  }
}
