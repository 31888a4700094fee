import { LocalTinker } from "@tinkex/local";
import { Datum, ModelInput, ServiceClient } from "tinkex";

await using tinker = await LocalTinker.start(); // leave this line out to use the hosted service
await using service = new ServiceClient({ baseUrl: tinker.url, apiKey: tinker.apiKey });
const training = await service.createLoraTrainingClient({ baseModel: "tinkex/pebble", rank: 16 });
const tokens = (await training.getTokenizer()).encode("Mia gave the red ball to Tom.");
const datum = Datum.from({
  modelInput: ModelInput.fromInts(tokens.slice(0, -1)),
  lossFnInputs: { target_tokens: tokens.slice(1), weights: tokens.slice(1).map(() => 1) },
});
const pass = training.forwardBackward([datum], "cross_entropy"); // the order of these two is fixed by the calls,
const step = training.optimStep({ learningRate: 1e-3 }); //          so they need not be awaited one by one
const [{ metrics }] = await Promise.all([pass, step]);
const sampler = await training.saveWeightsAndGetSamplingClient();
const prompt = ModelInput.fromInts(tokens.slice(0, 4));
const { sequences } = await sampler.sample({ prompt, samplingParams: { maxTokens: 12 } });
console.log(metrics["loss:sum"], sequences[0]?.tokens);
