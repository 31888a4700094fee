// A user's first program, in plain JavaScript: one training step and one sample against a Tinker in this process.
import assert from "node:assert/strict";
import { LocalTinker } from "@tinkex/local";
import { ServiceClient, Datum, ModelInput } from "tinkex";

const tinker = await LocalTinker.start();
const service = new ServiceClient({ baseUrl: tinker.url, apiKey: tinker.apiKey });
const { supportedModels } = await service.getServerCapabilities();
const baseModel = supportedModels[0].modelName;
const training = await service.createLoraTrainingClient({ baseModel, rank: 8 });
const tokenizer = await training.getTokenizer();

const tokens = tokenizer.encode("The cat sat on the mat.");
const datum = Datum.from({
  modelInput: ModelInput.fromInts(tokens.slice(0, -1)),
  lossFnInputs: { target_tokens: tokens.slice(1), weights: tokens.slice(1).map(() => 1) },
});
const losses = [];
for (let step = 0; step < 5; step++) {
  const pass = training.forwardBackward([datum], "cross_entropy");
  const update = training.optimStep({ learningRate: 0.01 });
  const [{ metrics }] = await Promise.all([pass, update]);
  losses.push(metrics["loss:sum"]);
}
assert(losses.at(-1) < losses[0], `the loss did not fall: ${losses.join(", ")}`);

const sampling = await training.saveWeightsAndGetSamplingClient();
const prompt = ModelInput.fromInts(tokens.slice(0, 3));
const { sequences } = await sampling.sample({ prompt, samplingParams: { maxTokens: 8, temperature: 0 } });
assert(sequences[0].tokens.length > 0);
console.log(
  `${process.version}: loss ${losses[0].toFixed(2)} -> ${losses.at(-1).toFixed(2)}; ${JSON.stringify(tokenizer.decode(sequences[0].tokens))}`,
);

await service.close();
await tinker.close();
