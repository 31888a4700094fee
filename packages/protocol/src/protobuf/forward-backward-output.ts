import type { MessageInitShape } from "@bufbuild/protobuf";
import { checkTensor, elementCount } from "../data/tensor-data.ts";
import type { TensorData } from "../data/tensor-data.ts";
import * as wire from "../gen/tinker_public_pb.js";
import { asArray, asRecord } from "../json/shape.ts";
import { text } from "../json/values.ts";
import type { ForwardBackwardOutput, LossFnOutput } from "../messages/training.ts";
import { Place } from "../protocol-error.ts";
import { bfloat16Array, bytesOf, float32Array, int32Array, int64Array, int64Bytes, sizeOf } from "./packed.ts";
import { readMessage, writeMessage } from "./wire.ts";

const place = Place.root("ForwardBackwardOutput");

/** Records without fields say how many datums they stand for, and nothing else bounds that number. */
const mostEmptyOutputs = 2 ** 20;

type RecordInit = MessageInitShape<typeof wire.ArrayRecordSchema>;
type FieldInit = MessageInitShape<typeof wire.BatchedTensorSchema>;

/** Datums can share a record when this is equal: same fields, element types and trailing shapes. */
const layoutOf = (output: LossFnOutput): string =>
  JSON.stringify(Object.entries(output).map(([name, { dtype, shape }]) => [name, dtype, shape.slice(1)]));

function fieldToWire(pieces: readonly TensorData[]): FieldInit {
  const parts = pieces.map(({ data }) => (data instanceof Float32Array ? bytesOf(data) : int64Bytes(data)));
  const offsets = new BigInt64Array(parts.length + 1);
  let size = 0;
  for (const [index, part] of parts.entries()) {
    size += part.byteLength;
    offsets[index + 1] = BigInt(size);
  }
  const data = new Uint8Array(size);
  for (const [index, part] of parts.entries()) data.set(part, Number(offsets[index]));
  return {
    data,
    offsets: bytesOf(offsets),
    dtype: pieces[0]?.dtype === "float32" ? wire.DType.FLOAT32 : wire.DType.INT64,
    trailingShape: (pieces[0]?.shape.slice(1) ?? []).map(BigInt),
  };
}

function recordToWire(typeTag: string, outputs: readonly LossFnOutput[]): RecordInit {
  const names = Object.keys(outputs[0] ?? {});
  return {
    typeTag,
    fields: Object.fromEntries(
      names.map((name) => [name, fieldToWire(outputs.flatMap((output) => output[name] ?? []))]),
    ),
    numDatums: BigInt(outputs.length),
  };
}

function checkOutput(output: LossFnOutput, at: Place): void {
  asRecord(output, at);
  for (const [name, tensor] of Object.entries(output)) {
    const { sparse } = checkTensor(tensor, at.at(name));
    if (sparse !== undefined) at.at(name).failWith("dense", "a sparse tensor");
  }
}

/**
 * The protobuf result of forward/backward. Neighbouring outputs with the same fields, element types and trailing shapes
 * share a record. Throws `ProtocolError` for sparse tensors, which results cannot hold.
 */
export function encodeForwardBackwardOutput(output: ForwardBackwardOutput): Uint8Array {
  const outputs = place.at("loss_fn_outputs");
  asArray(asRecord(output, place)["lossFnOutputs"], outputs);
  const typeTag = text.encode(output.lossFnOutputType, place.at("loss_fn_output_type")) as string;
  const batches: LossFnOutput[][] = [];
  let layout: string | undefined;
  for (const [index, item] of output.lossFnOutputs.entries()) {
    checkOutput(item, outputs.at(index));
    const next = layoutOf(item);
    if (next === layout) batches.at(-1)?.push(item);
    else batches.push([item]);
    layout = next;
  }
  return writeMessage(
    wire.ForwardBackwardOutputSchema,
    {
      lossFnOutputType: typeTag,
      lossFnOutputs: batches.map((batch) => recordToWire(typeTag, batch)),
      metrics: output.metrics,
    },
    place,
  );
}

function pieceOf(bytes: Uint8Array, dtype: wire.DType, trailing: readonly number[], at: Place): TensorData {
  const shapeOf = (length: number): number[] => {
    const row = elementCount(trailing, at);
    if (row > 0 && length % row !== 0) at.failWith(`a multiple of ${row} elements`, `${length}`);
    return [row === 0 ? 0 : length / row, ...trailing];
  };
  const floats = (data: Float32Array): TensorData =>
    checkTensor({ dtype: "float32", data, shape: shapeOf(data.length) }, at);
  const integers = (data: Int32Array | BigInt64Array): TensorData =>
    checkTensor({ dtype: "int64", data, shape: shapeOf(data.length) }, at);
  switch (dtype) {
    case wire.DType.FLOAT32:
      return floats(float32Array(bytes, at));
    case wire.DType.BFLOAT16:
      return floats(bfloat16Array(bytes, at));
    case wire.DType.INT64:
      return integers(int64Array(bytes, at));
    case wire.DType.INT32:
      return integers(int32Array(bytes, at));
    default:
      return at.at("dtype").failWith("1 to 4", String(dtype));
  }
}

function fieldFromWire({ data, offsets, dtype, trailingShape }: wire.BatchedTensor, at: Place): TensorData[] {
  const bounds = int64Array(offsets, at.at("offsets"));
  const trailing = trailingShape.map((length, index) => sizeOf(length, at.at("trailing_shape").at(index)));
  const boundAt = (index: number): number => {
    const bound = Number(bounds[index]);
    return bound >= 0 && bound <= data.byteLength
      ? bound
      : at.at("offsets").at(index).failWith(`from 0 to ${data.byteLength}, the bytes of data`, String(bounds[index]));
  };
  if (bounds.length === 0) at.at("offsets").failWith("at least one number long", "none");
  if (boundAt(0) !== 0) at.at("offsets").at(0).fail("0", bounds[0]);
  return Array.from({ length: bounds.length - 1 }, (_, index) => {
    const start = boundAt(index);
    const end = boundAt(index + 1);
    if (end < start)
      at.at("offsets")
        .at(index + 1)
        .fail(`at least ${start}`, end);
    return pieceOf(data.subarray(start, end), dtype, trailing, at.at("data").at(index));
  });
}

function outputsFromWire({ fields, numDatums }: wire.ArrayRecord, at: Place): LossFnOutput[] {
  const columns = Object.entries(fields).map(
    ([name, field]) => [name, fieldFromWire(field, at.at("fields").at(name))] as const,
  );
  const declared = sizeOf(numDatums, at.at("num_datums"));
  const length = declared > 0 ? declared : (columns[0]?.[1].length ?? 0);
  for (const [name, pieces] of columns) {
    if (pieces.length !== length) at.at("fields").at(name).failWith(`of ${length} datums`, `${pieces.length}`);
  }
  return Array.from({ length }, (_, index) =>
    Object.fromEntries(columns.flatMap(([name, pieces]) => (pieces[index] ? [[name, pieces[index]]] : []))),
  );
}

/**
 * Reads the protobuf result of forward/backward. bfloat16 is widened to float32 and int32 to int64. The type is the part
 * of `loss_fn_output_type` after its last colon; the whole of it (or `ArrayRecord` when empty) if there are no records.
 * Each record may have its own fields. Throws `ProtocolError`.
 */
export function decodeForwardBackwardOutput(body: Uint8Array): ForwardBackwardOutput {
  const { lossFnOutputType, lossFnOutputs, metrics } = readMessage(wire.ForwardBackwardOutputSchema, body, place);
  let emptyOutputs = 0;
  const outputs = lossFnOutputs.flatMap((record, index) => {
    const at = place.at("loss_fn_outputs").at(index);
    if (Object.keys(record.fields).length === 0) emptyOutputs += Number(record.numDatums);
    if (emptyOutputs > mostEmptyOutputs) {
      at.at("num_datums").fail(`at most ${mostEmptyOutputs}, in all records without fields`, record.numDatums);
    }
    return outputsFromWire(record, at);
  });
  const name =
    lossFnOutputs.length > 0
      ? lossFnOutputType.slice(lossFnOutputType.lastIndexOf(":") + 1)
      : lossFnOutputType || "ArrayRecord";
  return { lossFnOutputType: name, lossFnOutputs: outputs, metrics };
}
