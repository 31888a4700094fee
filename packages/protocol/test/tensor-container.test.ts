import { ModelInput, tensorContainerDimension } from "@tinkex/protocol";
import { describe, test } from "vitest";
import { fromHex, toHex } from "./support/bytes.ts";
import { thrownBy } from "./support/thrown.ts";

const varint = (value: number): number[] =>
  value < 0x80 ? [value] : [(value % 0x80) | 0x80, ...varint(Math.floor(value / 0x80))];

function header(shape: readonly number[], constant: boolean): Uint8Array {
  return Uint8Array.from([...(constant ? [254] : []), 4, ...varint(shape.length), ...shape.flatMap(varint), 1, 2, 3]);
}

const shapes = [
  [1, 80],
  [127, 80],
  [128, 80],
  [16_383, 80],
  [16_384, 80],
  [1_000_000, 80],
  [7, 80, 4],
].flatMap((shape) => [true, false].map((constant) => ({ shape, constant })));

test.for(shapes)("dimensions of $shape are read (constant: $constant)", ({ shape, constant }, { expect }) => {
  const bytes = header(shape, constant);
  expect(shape.map((_, dimension) => tensorContainerDimension(bytes, dimension))).toEqual(shape);
});

test("the encoding is the service's", ({ expect }) => {
  expect(toHex(header([128, 80], false))).toBe("0402800150010203");
  expect(toHex(header([16_384, 80], false))).toBe("040280800150010203");
  expect(toHex(header([1, 80], true))).toBe("fe04020150010203");
});

describe("a bad header says what is wrong", () => {
  test.for([
    ["", "empty"],
    ["04", "Truncated"],
    ["0402", "Truncated"],
    ["040280", "Truncated"],
    ["fe", "Truncated"],
    ["08020150", "Unknown TensorContainer dtype byte"],
    ["0480808080808080808080", "varint is too long"],
  ])("%s: %s", ([hex = "", words], { expect }) => {
    expect(thrownBy(() => tensorContainerDimension(fromHex(hex), 0)).message).toContain(words);
  });

  test.for([2, 3])("dimension %i of two", (dimension, { expect }) => {
    const error = thrownBy(() => tensorContainerDimension(header([7, 80], false), dimension));
    expect(error.message).toContain(`no dimension ${dimension}`);
  });
});

test("a dmel chunk is as long as its first dimension", ({ expect }) => {
  const input = ModelInput.append(ModelInput.fromInts([1, 2]), { type: "dmel", dmel: header([130, 80], false) });
  expect(ModelInput.length(input)).toBe(132);
});
