import type { Datum } from "../data/datum.ts";
import { checkTensor } from "../data/tensor-data.ts";
import type { TensorData, TensorDtype } from "../data/tensor-data.ts";
import type {
  DmelChunk,
  EncodedTextChunk,
  ImageAssetPointerChunk,
  ImageChunk,
  ModelInput,
  ModelInputChunk,
} from "../data/model-input.ts";
import { floats, integers, tokenArray, tokens } from "./arrays.ts";
import { list, object, optional, record, union } from "./shape.ts";
import type { Shape, UnknownFields } from "./shape.ts";
import { bytes, count, imageFormat, oneOf, text } from "./values.ts";

const strict = { unknownFields: "reject" } as const;

const chunk: Shape<ModelInputChunk> = union<ModelInputChunk, "type">("type", {
  encoded_text: object<EncodedTextChunk>({ tokens, type: oneOf("encoded_text") }, strict),
  image: object<ImageChunk>(
    { data: bytes, format: imageFormat, expectedTokens: optional(count), type: oneOf("image") },
    strict,
  ),
  image_asset_pointer: object<ImageAssetPointerChunk>(
    { format: imageFormat, location: text, expectedTokens: optional(count), type: oneOf("image_asset_pointer") },
    strict,
  ),
  dmel: object<DmelChunk>({ dmel: bytes, type: oneOf("dmel") }, strict),
});

/** A model input. */
export const modelInput: Shape<ModelInput> = object<ModelInput>({ chunks: list(chunk) }, strict);

/** A tensor's fields on the wire; which form `data` has depends on `dtype`. */
interface TensorFields {
  readonly data: unknown;
  readonly dtype: TensorDtype;
  readonly shape?: readonly number[];
  readonly sparseCrowIndices?: Int32Array;
  readonly sparseColIndices?: Int32Array;
}

const asIs: Shape<unknown> = { encode: (value) => value, decode: (json) => json };

/** A tensor as a flat list of numbers with its dtype and shape. */
export function tensorData(unknownFields: UnknownFields): Shape<TensorData> {
  const fields = object<TensorFields>(
    {
      data: asIs,
      dtype: oneOf("int64", "float32"),
      shape: optional(list(count)),
      sparseCrowIndices: optional(tokenArray),
      sparseColIndices: optional(tokenArray),
    },
    { unknownFields },
  );
  return {
    encode(given, place) {
      const { data, dtype, shape, sparse } = checkTensor(given, place);
      const at = place.at("data");
      return fields.encode(
        {
          data: data instanceof Float32Array ? floats.encode(data, at) : integers.encode(data, at),
          dtype,
          ...(shape.length > 0 && { shape }),
          ...(sparse && { sparseCrowIndices: sparse.crowIndices, sparseColIndices: sparse.colIndices }),
        },
        place,
      );
    },
    decode(json, place) {
      const { data, dtype, shape, sparseCrowIndices, sparseColIndices } = fields.decode(json, place);
      const at = place.at("data");
      const typed =
        dtype === "float32" ? { dtype, data: floats.decode(data, at) } : { dtype, data: integers.decode(data, at) };
      if ((sparseCrowIndices === undefined) !== (sparseColIndices === undefined)) {
        place.at("sparse_col_indices").failWith("given together with sparse_crow_indices", "only one of them");
      }
      return checkTensor(
        {
          ...typed,
          shape: shape === undefined || shape.length === 0 ? [typed.data.length] : shape,
          ...(sparseCrowIndices &&
            sparseColIndices && { sparse: { crowIndices: sparseCrowIndices, colIndices: sparseColIndices } }),
        },
        place,
      );
    },
  };
}

/** A datum. */
export const datum: Shape<Datum> = object<Datum>({ modelInput, lossFnInputs: record(tensorData("reject")) }, strict);
