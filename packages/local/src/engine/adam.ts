import type { AdamParams } from "@tinkex/protocol";
import { EngineError } from "./engine.ts";

/** Adam with bias correction (Kingma and Ba, 2015) and decoupled weight decay (Loshchilov and Hutter, 2019). */
export class AdamOptimizer {
  #steps = 0;
  readonly #first: Float32Array;
  readonly #second: Float32Array;

  constructor(size: number) {
    this.#first = new Float32Array(size);
    this.#second = new Float32Array(size);
  }

  get steps(): number {
    return this.#steps;
  }

  get firstMoment(): Float32Array {
    return this.#first;
  }

  get secondMoment(): Float32Array {
    return this.#second;
  }

  /**
   * Updates `values` in place. Gradients longer than `gradClipNorm` are scaled down to it; 0 leaves them.
   *
   * @returns The gradient's Euclidean norm before clipping.
   * @throws EngineError when a setting is out of range or the gradient is not finite. Nothing has changed then.
   */
  step(values: Float32Array, gradient: Float32Array, adam: AdamParams): { readonly gradientNorm: number } {
    checkSettings(adam);
    const { learningRate, beta1, beta2, eps, weightDecay, gradClipNorm } = adam;
    let squares = 0;
    for (const g of gradient) squares += g * g;
    const gradientNorm = Math.sqrt(squares);
    if (!Number.isFinite(gradientNorm)) {
      throw new EngineError(
        `The gradient's norm is ${gradientNorm}: the step was skipped, the weights are as before and the gradient is cleared`,
      );
    }
    const clip = gradClipNorm > 0 && gradientNorm > gradClipNorm ? gradClipNorm / gradientNorm : 1;

    this.#steps += 1;
    const first = this.#first;
    const second = this.#second;
    const firstCorrection = 1 - beta1 ** this.#steps;
    const secondCorrection = 1 - beta2 ** this.#steps;
    const kept = 1 - learningRate * weightDecay;
    for (let index = 0; index < values.length; index++) {
      const g = clip * (gradient[index] ?? 0);
      const m = beta1 * (first[index] ?? 0) + (1 - beta1) * g;
      const v = beta2 * (second[index] ?? 0) + (1 - beta2) * g * g;
      first[index] = m;
      second[index] = v;
      const direction = m / firstCorrection / (Math.sqrt(v / secondCorrection) + eps);
      // A parameter without any gradient yet has 0 / 0 here when eps is 0; it stays where it is.
      if (m !== 0) values[index] = kept * (values[index] ?? 0) - learningRate * direction;
      else values[index] = kept * (values[index] ?? 0);
    }
    return { gradientNorm };
  }

  reset(): void {
    this.#steps = 0;
    this.#first.fill(0);
    this.#second.fill(0);
  }

  restore(steps: number, first: Float32Array, second: Float32Array): void {
    if (!Number.isInteger(steps) || steps < 0) {
      throw new EngineError(`An optimizer's step count must be a whole number, not ${steps}`);
    }
    this.#steps = steps;
    this.#first.set(first);
    this.#second.set(second);
  }
}

function checkSettings(adam: AdamParams): void {
  const check = (name: keyof AdamParams, valid: boolean, range: string): void => {
    if (!valid) throw new EngineError(`Adam's ${name} must be ${range}, not ${adam[name]}`);
  };
  check("learningRate", Number.isFinite(adam.learningRate) && adam.learningRate >= 0, "finite and at least 0");
  check("beta1", adam.beta1 >= 0 && adam.beta1 < 1, "at least 0 and below 1");
  check("beta2", adam.beta2 >= 0 && adam.beta2 < 1, "at least 0 and below 1");
  check("eps", Number.isFinite(adam.eps) && adam.eps >= 0, "finite and at least 0");
  check("weightDecay", Number.isFinite(adam.weightDecay) && adam.weightDecay >= 0, "finite and at least 0");
  check("gradClipNorm", Number.isFinite(adam.gradClipNorm) && adam.gradClipNorm >= 0, "finite and at least 0");
}
