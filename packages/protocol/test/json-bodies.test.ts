import {
  ClientConfigResponse,
  ClientDynamicConfigResponse,
  CreateModelRequest,
  CreateSessionRequest,
  ForwardBackwardRequest,
  FutureRetrieveRequest,
  GetInfoResponse,
  LoadWeightsRequest,
  ModelInput,
  OptimStepRequest,
  RetrieveFutureReply,
  SampleRequest,
  SampleResponse,
  SaveWeightsForSamplerRequest,
  SaveWeightsRequest,
  SessionHeartbeatRequest,
  SetCheckpointTtlRequest,
  TensorData,
  TopkPromptLogprobs,
  TrainingRun,
  defaultAdamParams,
  defaultSamplingParams,
} from "@tinkex/protocol";
import { describe, test } from "vitest";
import { thrownBy } from "./support/thrown.ts";

/** Text and keys in order, whatever the spelling of numbers (Python prints 1.0 where JavaScript prints 1). */
const normal = (json: string): string => JSON.stringify(JSON.parse(json));

const sample: SampleRequest = {
  numSamples: 2,
  prompt: ModelInput.fromInts([5, 6]),
  samplingParams: { ...defaultSamplingParams, maxTokens: 3, seed: 7, stop: ["x"] },
  samplingSessionId: "s:sample:0",
  seqId: 0,
  promptLogprobs: false,
  topkPromptLogprobs: 0,
};

describe("bodies are those of the Python SDK, key for key", () => {
  test("asample", ({ expect }) => {
    expect(SampleRequest.encode(sample)).toBe(
      normal(
        '{"num_samples":2,"prompt":{"chunks":[{"tokens":[5,6],"type":"encoded_text"}]},"sampling_params":{"max_tokens":3,"seed":7,"stop":["x"],"temperature":1.0,"top_k":-1,"top_p":1.0},"sampling_session_id":"s:sample:0","seq_id":0,"prompt_logprobs":false,"topk_prompt_logprobs":0,"type":"sample"}',
      ),
    );
  });

  test("create_model", ({ expect }) => {
    const loraConfig = { rank: 8, trainUnembed: true, trainMlp: true, trainAttn: true };
    expect(CreateModelRequest.encode({ sessionId: "s", modelSeqId: 0, baseModel: "b", loraConfig })).toBe(
      '{"session_id":"s","model_seq_id":0,"base_model":"b","lora_config":{"rank":8,"train_unembed":true,"train_mlp":true,"train_attn":true},"type":"create_model"}',
    );
  });

  test("the other requests", ({ expect }) => {
    expect(CreateSessionRequest.encode({ tags: [], userMetadata: { runName: "a" }, sdkVersion: "1" })).toBe(
      '{"tags":[],"user_metadata":{"runName":"a"},"sdk_version":"1","type":"create_session"}',
    );
    expect(SessionHeartbeatRequest.encode({ sessionId: "s" })).toBe('{"session_id":"s","type":"session_heartbeat"}');
    expect(OptimStepRequest.encode({ adamParams: defaultAdamParams, modelId: "m", seqId: 2 })).toBe(
      '{"adam_params":{"learning_rate":0.0001,"beta1":0.9,"beta2":0.95,"eps":1e-12,"weight_decay":0,"grad_clip_norm":0},"model_id":"m","seq_id":2,"type":"optim_step"}',
    );
    expect(SaveWeightsRequest.encode({ modelId: "m", path: "n", seqId: 3, overwrite: false })).toBe(
      '{"model_id":"m","path":"n","seq_id":3,"overwrite":false,"type":"save_weights"}',
    );
    expect(SaveWeightsForSamplerRequest.encode({ modelId: "m", samplingSessionSeqId: 1, seqId: 3 })).toBe(
      '{"model_id":"m","sampling_session_seq_id":1,"seq_id":3,"type":"save_weights_for_sampler"}',
    );
    expect(SetCheckpointTtlRequest.encode({ ttlSeconds: null })).toBe('{"ttl_seconds":null}');
    expect(FutureRetrieveRequest.encode({ requestId: "r", allowMetadataOnly: true })).toBe(
      '{"request_id":"r","allow_metadata_only":true}',
    );
  });

  test("every kind of chunk, bytes in base64", ({ expect }) => {
    const bytes = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0xff);
    const prompt: ModelInput = {
      chunks: [
        { type: "encoded_text", tokens: Int32Array.of(1) },
        { type: "image", data: bytes, format: "png", expectedTokens: 5 },
        { type: "image_asset_pointer", format: "jpeg", location: "l" },
        { type: "dmel", dmel: bytes },
      ],
    };
    const text = SampleRequest.encode({ ...sample, prompt });
    expect(text).toContain(
      '{"chunks":[{"tokens":[1],"type":"encoded_text"},{"data":"iVBOR/8=","format":"png","expected_tokens":5,"type":"image"},{"format":"jpeg","location":"l","type":"image_asset_pointer"},{"dmel":"iVBOR/8=","type":"dmel"}]}',
    );
    expect(SampleRequest.decode(text).prompt).toEqual(prompt);
  });
});

describe("integers beyond 2^53 survive", () => {
  const large = 9_007_199_254_740_993n;

  test.for([large, 2n ** 64n - 1n, -(2n ** 63n)])("%i in both directions", (seed, { expect }) => {
    const text = SampleRequest.encode({ ...sample, seqId: large, samplingParams: { ...defaultSamplingParams, seed } });
    expect(text).toContain(`"seq_id":${large},`);
    expect(text).toContain(`"seed":${seed},`);
    const read = SampleRequest.decode(text);
    expect([read.seqId, read.samplingParams.seed]).toEqual([large, seed]);
  });

  test("smaller ones are plain numbers", ({ expect }) => {
    expect(SampleRequest.decode(SampleRequest.encode({ ...sample, seqId: 5n })).seqId).toBe(5);
  });

  test("larger ones are refused", ({ expect }) => {
    const text = SampleRequest.encode(sample);
    for (const number of [`${2n ** 64n}`, `1${"0".repeat(400)}`, "1.5", "1e300"]) {
      const error = thrownBy(() => SampleRequest.decode(text.replace('"seq_id":0', `"seq_id":${number}`)));
      expect(error.path).toBe("seq_id");
      expect(error.message.length).toBeLessThan(200);
    }
  });

  test("metadata keeps them too", ({ expect }) => {
    const request = { tags: [], userMetadata: { id: large, deep: { list: [large, 0.5] } }, sdkVersion: "1" };
    expect(CreateSessionRequest.decode(CreateSessionRequest.encode(request))).toEqual(request);
  });
});

describe("what is left out gets its default", () => {
  test("client config", ({ expect }) => {
    expect(ClientConfigResponse.decode("{}")).toEqual({
      pjwtAuthEnabled: false,
      credentialDefaultSource: "api_key",
      sampleDispatchBytesSemaphoreSize: 10_485_760,
      inflightResponseBytesSemaphoreSize: 52_428_800,
      parallelFwdbwdChunks: true,
      protoCompressFwdbwd: false,
      fwdbwdMaxChunkLen: 1024,
      fwdbwdMaxChunkBytesCount: 5_000_000,
      fwdbwdDispatchBytesSemaphoreSize: 50_000_000,
      billingExceptionMaxPauseDurationSec: 3600,
      sampleNoRetries: false,
      sampleEnableStuckDetection: true,
      sampleMaxConcurrentRequests: 2000,
      usePyqwestTransport: true,
      createModelViaLoadWeights: false,
    });
    expect(ClientDynamicConfigResponse.decode("{}")).toEqual({ refreshIntervalSec: 300 });
    expect(ClientConfigResponse.decode('{"fwdbwd_max_chunk_len":7,"new_flag":1}').fwdbwdMaxChunkLen).toBe(7);
  });

  test("requests", ({ expect }) => {
    expect(OptimStepRequest.decode('{"model_id":"m","seq_id":1,"adam_params":{}}').adamParams).toEqual(
      defaultAdamParams,
    );
    expect(SampleRequest.decode('{"prompt":{"chunks":[]},"sampling_params":{"max_tokens":null}}')).toEqual({
      numSamples: 1,
      prompt: ModelInput.empty(),
      samplingParams: defaultSamplingParams,
      promptLogprobs: false,
      topkPromptLogprobs: 0,
    });
  });

  test("a checkpoint's visibility, a run's health", ({ expect }) => {
    const checkpoint = `{"checkpoint_id":"weights/a","checkpoint_type":"training","time":"2026-01-01 00:00:00+00:00","tinker_path":"p"}`;
    const run = TrainingRun.decode(
      `{"training_run_id":"r","base_model":"b","model_owner":"o","is_lora":true,"last_request_time":1767225600,"last_checkpoint":${checkpoint},"last_sampler_checkpoint":null}`,
    );
    expect(run).toEqual({
      trainingRunId: "r",
      baseModel: "b",
      modelOwner: "o",
      isLora: true,
      lastRequestTime: new Date("2026-01-01T00:00:00Z"),
      corrupted: false,
      lastCheckpoint: {
        checkpointId: "weights/a",
        checkpointType: "training",
        time: new Date("2026-01-01T00:00:00Z"),
        tinkerPath: "p",
        public: false,
      },
    });
  });
});

describe("requests are strict, responses lenient", () => {
  test("an unknown field of a request is named, in both directions", ({ expect }) => {
    const read = thrownBy(() => SampleRequest.decode(SampleRequest.encode(sample).replace("top_k", "topk")));
    expect(read.path).toBe("sampling_params.topk");
    const misspelt = { ...sample, samplingParams: { ...defaultSamplingParams, maxToken: 3 } };
    expect(thrownBy(() => SampleRequest.encode(misspelt)).path).toBe("sampling_params.maxToken");
  });

  test("an unknown field of a response is ignored", ({ expect }) => {
    const info = GetInfoResponse.decode(
      '{"model_id":"m","model_data":{"tokenizer_id":"a/b:revision","later":1},"later":{},"lora_rank":null}',
    );
    expect(info).toEqual({ modelId: "m", modelData: { tokenizerId: "a/b" } });
  });

  test("a request of another type is refused", ({ expect }) => {
    const error = thrownBy(() => SessionHeartbeatRequest.decode('{"session_id":"s","type":"sample"}'));
    expect(error.message).toBe('SessionHeartbeatRequest: type must be "session_heartbeat", found "sample"');
  });
});

describe("stop", () => {
  test.for(["x", ["x", "y"], [1, 2], []])("may be %o", (stop, { expect }) => {
    const request = { ...sample, samplingParams: { ...defaultSamplingParams, stop: stop as string } };
    expect(SampleRequest.decode(SampleRequest.encode(request)).samplingParams.stop).toEqual(stop);
  });

  test.for([5, ["x", 1], [1, "x"], [[1]]])("may not be %o", (stop, { expect }) => {
    const text = SampleRequest.encode(sample).replace('["x"]', JSON.stringify(stop));
    expect(thrownBy(() => SampleRequest.decode(text)).path).toMatch(/^sampling_params\.stop/);
  });
});

describe("load_weights", () => {
  const common = { path: "tinker://r/weights/a", optimizer: true };

  test("into a model", ({ expect }) => {
    const request = { modelId: "m", seqId: 1, ...common };
    const text = LoadWeightsRequest.encode(request);
    expect(text).toBe(
      '{"model_id":"m","seq_id":1,"path":"tinker://r/weights/a","optimizer":true,"type":"load_weights"}',
    );
    expect(LoadWeightsRequest.decode(text)).toEqual(request);
  });

  test("as a new model", ({ expect }) => {
    const request = { sessionId: "s", modelSeqId: 0, userMetadata: {}, ...common };
    const text = LoadWeightsRequest.encode(request);
    expect(text).toBe(
      '{"session_id":"s","model_seq_id":0,"user_metadata":{},"path":"tinker://r/weights/a","optimizer":true,"type":"load_weights"}',
    );
    expect(LoadWeightsRequest.decode(text)).toEqual(request);
  });

  test("not as both", ({ expect }) => {
    const text = '{"session_id":"s","model_seq_id":0,"model_id":"m","path":"p","optimizer":true}';
    expect(thrownBy(() => LoadWeightsRequest.decode(text)).path).toBe("model_id");
  });
});

describe("replies to retrieve_future", () => {
  test.for<[string, RetrieveFutureReply]>([
    ['{"type":"try_again"}', { kind: "tryAgain" }],
    ['{"type":"try_again","queue_state":null,"request_id":"r"}', { kind: "tryAgain" }],
    [
      '{"type":"try_again","queue_state":"paused_capacity","queue_state_reason":"busy"}',
      { kind: "tryAgain", queueState: "paused_capacity", queueStateReason: "busy" },
    ],
    ['{"type":"try_again","queue_state":"new","queue_state_reason":5}', { kind: "tryAgain", queueState: "unknown" }],
    ['{"type":"try_again","error":"e"}', { kind: "tryAgain" }],
    ['{"status":"complete_metadata","response_payload_size":9}', { kind: "metadata", responsePayloadSize: 9 }],
    ['{"status":"complete_metadata"}', { kind: "metadata", responsePayloadSize: 0 }],
    ['{"error":"bad","category":"user"}', { kind: "error", message: "bad", category: "user" }],
    ['{"error":"bad","category":"USER"}', { kind: "error", message: "bad", category: "unknown" }],
    ['{"error":{"a":1}}', { kind: "error", message: "an object", category: "unknown" }],
    ['{"path":"p","type":"save_weights"}', { kind: "result", json: { path: "p", type: "save_weights" } }],
    ["{}", { kind: "result", json: {} }],
  ])("%s", ([text, reply], { expect }) => {
    expect(RetrieveFutureReply.decode(text)).toEqual(reply);
  });

  test.for(["[]", "null", "1", '"x"', '{"status":"complete_metadata","response_payload_size":-1}'])(
    "%s is none",
    (text, { expect }) => {
      expect(thrownBy(() => RetrieveFutureReply.decode(text)).messageKind).toBe("RetrieveFutureReply");
    },
  );
});

describe("older forms", () => {
  const data = [
    { modelInput: ModelInput.fromInts(Int32Array.of(1)), lossFnInputs: { weights: TensorData.float32([1]) } },
  ];

  test("forward and forward_backward requests in JSON", ({ expect }) => {
    const request: ForwardBackwardRequest = {
      modelId: "m",
      seqId: 4,
      data,
      lossFn: "ppo",
      lossFnConfig: { clip_low_threshold: 0.8 },
      forwardOnly: false,
    };
    const text = ForwardBackwardRequest.encode(request);
    expect(text).toBe(
      '{"forward_backward_input":{"data":[{"model_input":{"chunks":[{"tokens":[1],"type":"encoded_text"}]},"loss_fn_inputs":{"weights":{"data":[1],"dtype":"float32","shape":[1]}}}],"loss_fn":"ppo","loss_fn_config":{"clip_low_threshold":0.8}},"model_id":"m","seq_id":4}',
    );
    expect(ForwardBackwardRequest.decode(text)).toEqual(request);
    const forward = text.replace("forward_backward_input", "forward_input").replace(',"seq_id":4', "");
    expect(ForwardBackwardRequest.decode(forward)).toEqual({ ...request, seqId: 0, forwardOnly: true });
    expect(ForwardBackwardRequest.encode({ ...request, seqId: 0, forwardOnly: true })).toBe(forward);
  });

  test("tensors: a missing or empty shape is one-dimensional, and the parts must agree", ({ expect }) => {
    const read = (tensor: string): TensorData | undefined =>
      ForwardBackwardRequest.decode(
        `{"model_id":"m","forward_input":{"loss_fn":"ppo","data":[{"model_input":{"chunks":[]},"loss_fn_inputs":{"w":${tensor}}}]}}`,
      ).data[0]?.lossFnInputs["w"];
    expect(read('{"data":[1,2],"dtype":"int64"}')).toEqual(TensorData.int64([1, 2]));
    expect(read('{"data":[1,2],"dtype":"float32","shape":[]}')).toEqual(TensorData.float32([1, 2]));
    expect(read('{"data":[9007199254740993],"dtype":"int64"}')).toEqual(TensorData.int64([9_007_199_254_740_993n]));
    const refused = [
      ['{"data":[1],"dtype":"float16"}', "dtype"],
      ['{"data":[1.5],"dtype":"int64"}', "data[0]"],
      ['{"data":[1e39],"dtype":"float32"}', "data[0]"],
      ['{"data":[null],"dtype":"float32"}', "data[0]"],
      ['{"data":[1],"dtype":"float32","shape":[2]}', "shape"],
      ['{"data":[1],"dtype":"float32","shape":[1,1],"sparse_crow_indices":[0,1]}', "sparse_col_indices"],
      ['{"data":[1],"dtype":"float32","shape":[1,1],"scale":2}', "scale"],
    ] as const;
    for (const [tensor, field] of refused) {
      expect(thrownBy(() => read(tensor)).path).toBe(`forward_input.data[0].loss_fn_inputs.w.${field}`);
    }
  });

  test("neither or both inputs are refused", ({ expect }) => {
    const input = '{"data":[],"loss_fn":"ppo"}';
    expect(thrownBy(() => ForwardBackwardRequest.decode('{"model_id":"m"}')).found).toBe("neither");
    const both = `{"model_id":"m","forward_input":${input},"forward_backward_input":${input}}`;
    expect(thrownBy(() => ForwardBackwardRequest.decode(both)).found).toBe("both");
  });

  test("a sample response in JSON", ({ expect }) => {
    const text =
      '{"sequences":[{"tokens":[1,2],"logprobs":[-0.5,-1],"stop_reason":"stop"}],"prompt_logprobs":[null,-0.25],"topk_prompt_logprobs":[null,[[5,-0.5],[6,-1]],[[9,-0.125]]],"prompt_cache_hit_tokens":4,"type":"sample"}';
    const response = SampleResponse.decode(text);
    expect(response.promptLogprobs).toEqual(Float32Array.of(Number.NaN, -0.25));
    expect(response.topkPromptLogprobs?.tokenIds).toEqual(Int32Array.of(0, 0, 5, 6, 9, 0));
    expect(SampleResponse.encode(response)).toBe(text);
    expect(SampleResponse.decode('{"sequences":[]}')).toEqual({ sequences: [], promptCacheHitTokens: 0 });
  });

  test("a ragged top-k table cannot be made to fill memory", ({ expect }) => {
    const rows = [
      Array.from({ length: 10_000 }, () => [1, -1] as const),
      ...Array.from({ length: 10_000 }, () => null),
    ];
    expect(thrownBy(() => TopkPromptLogprobs.fromList(rows)).message).toContain("cells");
  });
});
