import type { Tensor } from "onnxruntime-node";
import type { DecoderConfig } from "../model/config.ts";
import { adapterTensorNames, moduleShape } from "../model/decoder-graph.ts";
import { RandomStream } from "../model/random-stream.ts";
import { attentionProjections, layerModules, mlpProjections, unembeddingModule } from "../model/weights.ts";
import { AdamOptimizer } from "./adam.ts";
import { EngineError, loraAlpha, type AdapterSpec, type AdapterState } from "./engine.ts";
import { float32Tensor, type Feeds } from "./runtime.ts";

/** Tensor names in files start with this, as PEFT writes them. */
const peftPrefix = "base_model.model.";

interface Slot {
  /** Name in the graphs. */
  readonly name: string;
  readonly shape: readonly [rows: number, columns: number];
  readonly factor: "a" | "b";
  readonly start: number;
  readonly end: number;
}

/** Modules that a specification trains, in the order of computation. */
export function trainedModules(config: DecoderConfig, spec: AdapterSpec): readonly string[] {
  const perLayer = Array.from({ length: config.layers }, (_, layer) => {
    const { attention, mlp } = layerModules(layer);
    return [
      ...(spec.trainAttn ? attentionProjections.map((projection) => `${attention}.${projection}`) : []),
      ...(spec.trainMlp ? mlpProjections.map((projection) => `${mlp}.${projection}`) : []),
    ];
  });
  return [...perLayer.flat(), ...(spec.trainUnembed ? [unembeddingModule] : [])];
}

/** Weights that the graphs read; what sampling needs of an adapter. */
export interface AdapterWeights {
  readonly modules: readonly string[];
  readonly feeds: Feeds;
}

/**
 * A LoRA adapter: its factors, the gradients gathered so far and the optimizer, each as one array with the tensors
 * behind one another, A before B, module by module, which is also the order in which the training graph returns
 * gradients.
 *
 * The graphs are fed B times alpha / rank, so that they need not know the rank; `scaled` holds that copy.
 */
export class Adapter implements AdapterWeights {
  readonly spec: AdapterSpec;
  readonly modules: readonly string[];
  readonly feeds: Feeds;
  readonly #slots: readonly Slot[];
  readonly #values: Float32Array;
  readonly #scaled: Float32Array;
  readonly #gradient: Float32Array;
  readonly #optimizer: AdamOptimizer;
  readonly #scale: number;

  constructor(config: DecoderConfig, spec: AdapterSpec) {
    if (!Number.isInteger(spec.rank) || spec.rank < 1) {
      throw new EngineError(`A LoRA rank must be a positive integer, not ${spec.rank}`);
    }
    this.spec = spec;
    this.modules = trainedModules(config, spec);
    if (this.modules.length === 0) {
      throw new EngineError("An adapter must train at least one of attention, MLP and unembedding layers");
    }
    this.#slots = layOut(config, this.modules, spec.rank);
    const size = this.#slots.at(-1)?.end ?? 0;
    this.#scale = loraAlpha / spec.rank;
    this.#values = new Float32Array(size);
    this.#scaled = new Float32Array(size);
    this.#gradient = new Float32Array(size);
    this.#optimizer = new AdamOptimizer(size);
    this.feeds = feedsOver(this.#scaled, this.#slots);
    this.#initialise();
    this.#refresh();
  }

  /** Adds a training graph's gradient, which is with respect to the scaled B. */
  gather(gradient: Float32Array): void {
    for (const { factor, start, end } of this.#slots) {
      const scale = factor === "b" ? this.#scale : 1;
      for (let index = start; index < end; index++) {
        this.#gradient[index] = (this.#gradient[index] ?? 0) + scale * (gradient[index] ?? 0);
      }
    }
  }

  /**
   * Applies the gathered gradients and clears them.
   *
   * @throws EngineError when they are not finite; the weights and moments are untouched then, the gradients cleared.
   */
  step(adam: Parameters<AdamOptimizer["step"]>[2]): { readonly gradientNorm: number } {
    try {
      return this.#optimizer.step(this.#values, this.#gradient, adam);
    } finally {
      this.#gradient.fill(0);
      this.#refresh();
    }
  }

  /** A copy of what sampling needs, which later training does not change. */
  snapshot(): AdapterWeights {
    return { modules: this.modules, feeds: feedsOver(this.#scaled.slice(), this.#slots) };
  }

  export(withOptimizer: boolean): AdapterState {
    const split = (flat: Float32Array): Map<string, Float32Array> =>
      new Map(this.#slots.map(({ name, start, end }) => [peftPrefix + name, flat.slice(start, end)]));
    const tensors = new Map(
      this.#slots.map(({ name, shape, start, end }) => [
        peftPrefix + name,
        { shape, data: this.#values.slice(start, end) },
      ]),
    );
    if (!withOptimizer) return { spec: this.spec, tensors };
    const { steps, firstMoment, secondMoment } = this.#optimizer;
    return {
      spec: this.spec,
      tensors,
      optimizer: { step: steps, firstMoment: split(firstMoment), secondMoment: split(secondMoment) },
    };
  }

  /**
   * Replaces weights and optimizer, which starts anew when the state has none, and clears the gathered gradients.
   *
   * @throws EngineError when the state's tensors are not exactly this adapter's; nothing has changed then.
   */
  import(state: AdapterState): void {
    const shapes = new Map([...state.tensors].map(([name, { shape }]) => [name, shape]));
    for (const { name, shape } of this.#slots) {
      const found = shapes.get(peftPrefix + name);
      if (found?.join() !== shape.join()) {
        const what = found === undefined ? "is missing" : `has shape [${found.join(", ")}]`;
        throw new EngineError(`The state's tensor "${peftPrefix}${name}" ${what}; expected [${shape.join(", ")}]`);
      }
      shapes.delete(peftPrefix + name);
    }
    const [extra] = shapes.keys();
    if (extra !== undefined) throw new EngineError(`The state's tensor "${extra}" is not part of this adapter`);

    const values = this.#join("tensor", new Map([...state.tensors].map(([name, { data }]) => [name, data])));
    const moments = state.optimizer && {
      steps: state.optimizer.step,
      first: this.#join("first moment of", state.optimizer.firstMoment),
      second: this.#join("second moment of", state.optimizer.secondMoment),
    };
    this.#values.set(values);
    if (moments === undefined) this.#optimizer.reset();
    else this.#optimizer.restore(moments.steps, moments.first, moments.second);
    this.#gradient.fill(0);
    this.#refresh();
  }

  #join(what: string, parts: ReadonlyMap<string, Float32Array>): Float32Array {
    const flat = new Float32Array(this.#values.length);
    for (const { name, start, end } of this.#slots) {
      const data = parts.get(peftPrefix + name);
      if (data?.length !== end - start) {
        throw new EngineError(
          `The state's ${what} "${peftPrefix}${name}" has ${data?.length ?? 0} numbers, not ${end - start}`,
        );
      }
      flat.set(data, start);
    }
    return flat;
  }

  /** A as PEFT does it, uniform in ±1 / sqrt(in) (Kaiming with a = sqrt 5); B stays zero. */
  #initialise(): void {
    for (const [stream, { factor, shape, start, end }] of this.#slots.entries()) {
      if (factor === "b") continue;
      const random = new RandomStream(this.spec.seed, stream);
      const bound = 1 / Math.sqrt(shape[1]);
      for (let index = start; index < end; index++) this.#values[index] = bound * (2 * random.uniform() - 1);
    }
  }

  #refresh(): void {
    this.#scaled.set(this.#values);
    for (const { factor, start, end } of this.#slots) {
      if (factor === "a") continue;
      for (let index = start; index < end; index++) this.#scaled[index] = this.#scale * (this.#values[index] ?? 0);
    }
  }
}

function layOut(config: DecoderConfig, modules: readonly string[], rank: number): readonly Slot[] {
  let end = 0;
  return modules.flatMap((module) => {
    const [outputs, inputs] = moduleShape(config, module);
    const names = adapterTensorNames(module);
    const slot = (name: string, factor: "a" | "b", shape: readonly [number, number]): Slot => {
      const start = end;
      end += shape[0] * shape[1];
      return { name, factor, shape, start, end };
    };
    return [slot(names.a, "a", [rank, inputs]), slot(names.b, "b", [outputs, rank])];
  });
}

function feedsOver(flat: Float32Array, slots: readonly Slot[]): Feeds {
  const feeds: Record<string, Tensor> = {};
  for (const { name, shape, start, end } of slots) feeds[name] = float32Tensor(flat.subarray(start, end), shape);
  return feeds;
}
