import type { DecoderConfig } from "./config.ts";

/**
 * Cosine and sine of every position's rotation, [positions, headSize / 2] row-major: pair i of a head turns by
 * position * theta^(-2i / headSize). With Llama 3 scaling, frequencies whose wavelength exceeds the original context
 * are divided by the factor, with a linear transition below it.
 */
export function rotationAngles(
  config: DecoderConfig,
  positions: number,
): { readonly cosine: Float32Array; readonly sine: Float32Array } {
  const pairs = config.headSize / 2;
  const frequencies = Array.from({ length: pairs }, (_, pair) =>
    scaled(config.ropeTheta ** (-pair / pairs), config.ropeScaling),
  );
  const cosine = new Float32Array(positions * pairs);
  const sine = new Float32Array(positions * pairs);
  for (let position = 0; position < positions; position++) {
    for (const [pair, frequency] of frequencies.entries()) {
      cosine[position * pairs + pair] = Math.cos(position * frequency);
      sine[position * pairs + pair] = Math.sin(position * frequency);
    }
  }
  return { cosine, sine };
}

function scaled(frequency: number, scaling: DecoderConfig["ropeScaling"]): number {
  if (scaling === undefined) return frequency;
  const { factor, lowFrequencyFactor, highFrequencyFactor, originalContextLength } = scaling;
  const turns = (originalContextLength * frequency) / (2 * Math.PI);
  const share = (turns - lowFrequencyFactor) / (highFrequencyFactor - lowFrequencyFactor);
  const kept = Math.min(1, Math.max(0, share));
  return frequency * (kept + (1 - kept) / factor);
}
