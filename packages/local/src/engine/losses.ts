import type { LossFnType } from "@tinkex/protocol";
import { EngineError } from "./engine.ts";

/** What a loss function knows of one token. */
export interface TokenInputs {
  /** Multiplies the token's loss. */
  readonly weight: number;
  readonly advantage: number;
  /** Log probability under the policy that sampled the token. */
  readonly samplingLogprob: number;
}

/** d loss / d logprob in the form that the training graph computes; see `lossGradient` in training-graph.ts. */
export interface GradientCoefficients {
  readonly linear: number;
  readonly quadratic: number;
  readonly ratio: number;
  readonly floor: number;
  readonly ceiling: number;
}

export interface LossFunction {
  /** Whether rows must carry sampling log probabilities and advantages. */
  readonly needsPolicy: boolean;
  /** How often a ratio at its bound counts in the gradient. */
  readonly outside: 0 | 1;
  value(logprob: number, token: TokenInputs): number;
  gradient(token: TokenInputs): GradientCoefficients;
}

const unbounded = { floor: 0, ceiling: Infinity } as const;
const none: GradientCoefficients = { linear: 0, quadratic: 0, ratio: 0, ...unbounded };

/**
 * Loss functions of the Tinker API, per token; a pass sums them over tokens and rows. With p the token's probability,
 * q the sampling policy's, r = p / q, A the advantage and w the weight:
 *
 * - `cross_entropy`: -w log p
 * - `importance_sampling`: -w r A
 * - `ppo`: -w min(r A, clip(r) A), clipped to 0.8 and 1.2 by default
 * - `cispo`: -w stopgrad(clip(r)) A log p, clipped to 0 and 4 by default
 * - `dro`: -w (A log p - beta / 2 (log r)²), beta 0.05 by default (Richemond et al., 2024, as documented for Tinker)
 *
 * `config` may set `clip_low_threshold` and `clip_high_threshold` (ppo, cispo) and `beta` (dro).
 *
 * @throws EngineError when the loss or a key of `config` is unknown, or a value is out of range.
 */
export function lossFunction(name: LossFnType, config: Readonly<Record<string, number>>): LossFunction {
  switch (name) {
    case "cross_entropy":
      settings(name, config, {});
      return {
        needsPolicy: false,
        outside: 0,
        value: (logprob, { weight }) => -weight * logprob,
        gradient: ({ weight }) => ({ ...none, linear: weight }),
      };
    case "importance_sampling":
      settings(name, config, {});
      return {
        needsPolicy: true,
        outside: 0,
        value: (logprob, { weight, advantage, samplingLogprob }) =>
          -weight * advantage * Math.exp(logprob - samplingLogprob),
        gradient: ({ weight, advantage }) => ({ ...none, ratio: weight * advantage }),
      };
    case "ppo": {
      const clip = thresholds(name, config, 0.8, 1.2);
      return {
        needsPolicy: true,
        outside: 0,
        value: (logprob, { weight, advantage, samplingLogprob }) => {
          const ratio = Math.exp(logprob - samplingLogprob);
          const clipped = Math.min(Math.max(ratio, clip.low), clip.high);
          return -weight * Math.min(ratio * advantage, clipped * advantage);
        },
        // Clipping only ever stops a ratio from moving further the way that its advantage pushes it.
        gradient: ({ weight, advantage }) => ({
          ...none,
          ratio: weight * advantage,
          floor: advantage < 0 ? clip.low : 0,
          ceiling: advantage < 0 ? Infinity : clip.high,
        }),
      };
    }
    case "cispo": {
      const clip = thresholds(name, config, 0, 4);
      return {
        needsPolicy: true,
        outside: 1,
        value: (logprob, { weight, advantage, samplingLogprob }) => {
          const ratio = Math.exp(logprob - samplingLogprob);
          return -weight * Math.min(Math.max(ratio, clip.low), clip.high) * advantage * logprob;
        },
        gradient: ({ weight, advantage }) => ({
          ...none,
          ratio: weight * advantage,
          floor: clip.low,
          ceiling: clip.high,
        }),
      };
    }
    case "dro": {
      const { beta } = settings(name, config, { beta: 0.05 });
      if (!(beta >= 0)) throw new EngineError(`dro's beta must be at least 0, not ${beta}`);
      return {
        needsPolicy: true,
        outside: 0,
        value: (logprob, { weight, advantage, samplingLogprob }) =>
          -weight * (advantage * logprob - (beta / 2) * (logprob - samplingLogprob) ** 2),
        gradient: ({ weight, advantage }) => ({ ...none, linear: weight * advantage, quadratic: weight * beta }),
      };
    }
    default:
      throw new EngineError(`The loss function ${JSON.stringify(name satisfies never)} is unknown`);
  }
}

function thresholds(name: string, config: Readonly<Record<string, number>>, low: number, high: number) {
  const { clip_low_threshold, clip_high_threshold } = settings(name, config, {
    clip_low_threshold: low,
    clip_high_threshold: high,
  });
  if (!(clip_low_threshold >= 0 && clip_low_threshold <= clip_high_threshold)) {
    throw new EngineError(
      `${name} clips between clip_low_threshold and clip_high_threshold, which cannot be ${clip_low_threshold} and ${clip_high_threshold}`,
    );
  }
  return { low: clip_low_threshold, high: clip_high_threshold };
}

function settings<const T extends Readonly<Record<string, number>>>(
  name: string,
  config: Readonly<Record<string, number>>,
  defaults: T,
): { readonly [K in keyof T]: number } {
  for (const key of Object.keys(config)) {
    if (!Object.hasOwn(defaults, key)) {
      const known = Object.keys(defaults).join(", ") || "none";
      throw new EngineError(`The loss function ${name} has no setting "${key}" (it has: ${known})`);
    }
  }
  return { ...defaults, ...config };
}
