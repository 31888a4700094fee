import type { DecoderConfig } from "../model/config.ts";
import { EngineError, type SampleWork } from "./engine.ts";
import { checkTokens } from "./training-batch.ts";

/** @throws EngineError naming the first parameter that is out of range. */
export function checkSampleWork(config: DecoderConfig, work: SampleWork): void {
  const check = (valid: boolean, what: string): void => {
    if (!valid) throw new EngineError(what);
  };
  const { prompt, numSamples, maxTokens, temperature, topK, topP, topkPromptLogprobs } = work;
  check(prompt.length > 0, "The prompt has no tokens");
  check(
    prompt.length < config.maxContextLength,
    `The prompt has ${prompt.length} tokens, which leaves no room in the context length of ${config.maxContextLength}`,
  );
  checkTokens(config, prompt, "The prompt");
  check(Number.isInteger(numSamples) && numSamples >= 1, `numSamples must be at least 1, not ${numSamples}`);
  check(Number.isInteger(maxTokens) && maxTokens >= 1, `maxTokens must be at least 1, not ${maxTokens}`);
  check(
    Number.isFinite(temperature) && temperature >= 0,
    `temperature must be finite and at least 0, not ${temperature}`,
  );
  check(topK === -1 || (Number.isInteger(topK) && topK >= 1), `topK must be -1 or at least 1, not ${topK}`);
  check(topP > 0 && topP <= 1, `topP must be above 0 and at most 1, not ${topP}`);
  check(
    Number.isInteger(topkPromptLogprobs) && topkPromptLogprobs >= 0,
    `topkPromptLogprobs must be at least 0, not ${topkPromptLogprobs}`,
  );
}
