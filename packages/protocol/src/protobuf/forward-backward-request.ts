import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Datum } from "../data/datum.ts";
import type { ModelInputChunk } from "../data/model-input.ts";
import { checkTensor, packInt32 } from "../data/tensor-data.ts";
import type { SparseIndices, TensorData } from "../data/tensor-data.ts";
import * as wire from "../gen/tinker_public_pb.js";
import { asArray, asRecord, record } from "../json/shape.ts";
import { count, flag, imageFormat, number, text } from "../json/values.ts";
import { lossFnType } from "../messages/training.ts";
import type { ForwardBackwardRequest } from "../messages/training.ts";
import { Place } from "../protocol-error.ts";
import { bytesOf, copyBytes, float32Array, int32Array, int64Array, int64Bytes, sizeOf } from "./packed.ts";
import { readMessage, writeMessage } from "./wire.ts";

const place = Place.root("ForwardBackwardRequest");
const lossFnConfig = record(number);

type ChunkInit = MessageInitShape<typeof wire.ChunkSchema>;
type TensorInit = MessageInitShape<typeof wire.TensorSchema>;
type DatumInit = MessageInitShape<typeof wire.DatumSchema>;

function chunkToWire(chunk: ModelInputChunk, at: Place): ChunkInit {
  asRecord(chunk, at);
  const { type } = chunk;
  switch (type) {
    case "encoded_text": {
      const { tokens } = chunk;
      if (!(tokens instanceof Int32Array)) asArray(tokens, at.at("tokens"));
      return { chunk: { case: "encodedText", value: { tokens: bytesOf(packInt32(tokens, at.at("tokens"))) } } };
    }
    case "image": {
      const format = imageFormat.encode(chunk.format, at.at("format")) as string;
      const { data, expectedTokens } = chunk;
      if (!(data instanceof Uint8Array)) return at.at("data").fail("a Uint8Array", data);
      if (expectedTokens !== undefined) count.encode(expectedTokens, at.at("expected_tokens"));
      return {
        chunk: { case: "image", value: { data, format, ...(expectedTokens !== undefined && { expectedTokens }) } },
      };
    }
    case "dmel":
      if (!(chunk.dmel instanceof Uint8Array)) return at.at("dmel").fail("a Uint8Array", chunk.dmel);
      return { chunk: { case: "dmel", value: { dmel: chunk.dmel } } };
    case "image_asset_pointer":
      return at.failWith("text, an image or dmel", "an image_asset_pointer, which only sampling accepts");
    default:
      return at.at("type").fail('"encoded_text", "image" or "dmel"', type);
  }
}

function tensorToWire(tensor: TensorData, at: Place): TensorInit {
  const { dtype, data, shape, sparse } = checkTensor(tensor, at);
  const values = data instanceof Float32Array ? bytesOf(data) : int64Bytes(data);
  return {
    encoding: sparse
      ? {
          case: "sparseCsr",
          value: { values, crowIndices: int64Bytes(sparse.crowIndices), colIndices: int64Bytes(sparse.colIndices) },
        }
      : { case: "dense", value: values },
    dtype: dtype === "float32" ? wire.DType.FLOAT32 : wire.DType.INT64,
    shape: shape.map(BigInt),
  };
}

function datumToWire(datum: Datum, at: Place): DatumInit {
  const chunks = at.at("model_input");
  const inputs = at.at("loss_fn_inputs");
  asRecord(asRecord(datum, at)["modelInput"], chunks);
  asArray(datum.modelInput.chunks, chunks);
  asRecord(datum.lossFnInputs, inputs);
  return {
    modelInput: datum.modelInput.chunks.map((chunk, index) => chunkToWire(chunk, chunks.at(index))),
    lossFnInputs: Object.fromEntries(
      Object.entries(datum.lossFnInputs).map(([name, tensor]) => [name, tensorToWire(tensor, inputs.at(name))]),
    ),
  };
}

/**
 * The protobuf body of `POST /api/v1/forward_backward`. Map entries are written in the order of the objects' keys.
 * Throws `ProtocolError` for a part that the wire cannot carry, such as an image asset pointer.
 */
export function encodeForwardBackwardRequest(request: ForwardBackwardRequest): Uint8Array {
  const data = place.at("data");
  asArray(asRecord(request, place)["data"], data);
  return writeMessage(
    wire.ForwardBackwardRequestSchema,
    {
      modelId: text.encode(request.modelId, place.at("model_id")) as string,
      seqId: count.encode(request.seqId, place.at("seq_id")) as number,
      data: request.data.map((datum, index) => datumToWire(datum, data.at(index))),
      lossFn: lossFnType.encode(request.lossFn, place.at("loss_fn")) as string,
      lossFnConfig: lossFnConfig.encode(request.lossFnConfig ?? {}, place.at("loss_fn_config")) as Record<
        string,
        number
      >,
      forwardOnly: flag.encode(request.forwardOnly, place.at("forward_only")) as boolean,
    },
    place,
  );
}

function chunkFromWire({ chunk }: wire.Chunk, at: Place): ModelInputChunk {
  switch (chunk.case) {
    case "encodedText":
      return { type: "encoded_text", tokens: int32Array(chunk.value.tokens, at.at("tokens")) };
    case "image": {
      const { data, format, expectedTokens } = chunk.value;
      return {
        type: "image",
        data: copyBytes(data),
        format: imageFormat.decode(format, at.at("format")),
        ...(expectedTokens !== undefined && { expectedTokens: count.decode(expectedTokens, at.at("expected_tokens")) }),
      };
    }
    case "dmel":
      return { type: "dmel", dmel: copyBytes(chunk.value.dmel) };
    case undefined:
      return at.failWith("text, an image or dmel", "an empty chunk");
  }
}

function indexArray(bytes: Uint8Array, at: Place): Int32Array {
  const indices = int64Array(bytes, at);
  return indices instanceof Int32Array ? indices : at.failWith("32-bit indices", "larger ones");
}

function tensorFromWire({ encoding, dtype, shape: dimensions }: wire.Tensor, at: Place): TensorData {
  const values =
    encoding.case === "dense"
      ? encoding.value
      : (encoding.value?.values ?? at.failWith("dense or sparse", "a tensor without data"));
  const shape = dimensions.map((length, index) => sizeOf(length, at.at("shape").at(index)));
  const sparse: SparseIndices | undefined =
    encoding.case === "sparseCsr"
      ? {
          crowIndices: indexArray(encoding.value.crowIndices, at.at("crow_indices")),
          colIndices: indexArray(encoding.value.colIndices, at.at("col_indices")),
        }
      : undefined;
  const layout = (length: number) => ({ shape: shape.length > 0 ? shape : [length], ...(sparse && { sparse }) });
  switch (dtype) {
    case wire.DType.FLOAT32: {
      const data = float32Array(values, at.at("data"));
      return checkTensor({ dtype: "float32", data, ...layout(data.length) }, at);
    }
    case wire.DType.INT64: {
      const data = int64Array(values, at.at("data"));
      return checkTensor({ dtype: "int64", data, ...layout(data.length) }, at);
    }
    default:
      return at.at("dtype").failWith("1 (float32) or 2 (int64)", String(dtype));
  }
}

function datumFromWire({ modelInput, lossFnInputs }: wire.Datum, at: Place): Datum {
  const chunks = at.at("model_input");
  const inputs = at.at("loss_fn_inputs");
  return {
    modelInput: { chunks: modelInput.map((chunk, index) => chunkFromWire(chunk, chunks.at(index))) },
    lossFnInputs: Object.fromEntries(
      Object.entries(lossFnInputs).map(([name, tensor]) => [name, tensorFromWire(tensor, inputs.at(name))]),
    ),
  };
}

/**
 * Reads the protobuf body of `POST /api/v1/forward_backward`. A tensor without a shape gets the one-dimensional shape it
 * stands for; arrays are copies, and the body may be reused. Throws `ProtocolError`.
 */
export function decodeForwardBackwardRequest(body: Uint8Array): ForwardBackwardRequest {
  const message = readMessage(wire.ForwardBackwardRequestSchema, body, place);
  const data = place.at("data");
  const config = lossFnConfig.decode(message.lossFnConfig, place.at("loss_fn_config"));
  return {
    modelId: message.modelId,
    seqId: count.decode(message.seqId, place.at("seq_id")),
    data: message.data.map((datum, index) => datumFromWire(datum, data.at(index))),
    lossFn: lossFnType.decode(message.lossFn, place.at("loss_fn")),
    ...(Object.keys(config).length > 0 && { lossFnConfig: config }),
    forwardOnly: message.forwardOnly,
  };
}
