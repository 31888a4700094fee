import { Place } from "../protocol-error.ts";

const constantMarker = 254;
const lastDtype = 7;
const longestVarintShift = 63;

/**
 * Reads one dimension from the header of a tensor container, the format of dmel chunks. The header is: an optional byte
 * 254 (constant tensor), a dtype byte 0 to 7, then the number of dimensions and each dimension as unsigned LEB128. What
 * follows is opaque here. Throws `ProtocolError` for a header that ends early or says something else.
 */
export function tensorContainerDimension(bytes: Uint8Array, dimension: number): number {
  const place = Place.root("TensorContainer");
  let at = 0;
  const next = (field: string): number => {
    const byte = bytes[at];
    at += 1;
    return byte ?? place.at(field).failWith("present", at === 1 ? "an empty container" : "a Truncated header");
  };
  const varint = (field: string): number => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      if (shift > longestVarintShift) place.at(field).failWith("at most 63 bits", "a varint is too long");
      const byte = next(field);
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) break;
    }
    return Number.isSafeInteger(value) ? value : place.at(field).fail("a safe integer", value);
  };

  let dtype = next("dtype");
  if (dtype === constantMarker) dtype = next("dtype");
  if (dtype > lastDtype) place.at("dtype").failWith("0 to 7", `Unknown TensorContainer dtype byte ${dtype}`);
  const dimensions = varint("ndim");
  if (dimension >= dimensions) {
    place.failWith(`of more than ${dimension} dimensions`, `no dimension ${dimension}, only ${dimensions}`);
  }
  for (let index = 0; index < dimension; index += 1) varint("shape");
  return varint("shape");
}
