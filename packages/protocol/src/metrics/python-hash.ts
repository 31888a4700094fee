// CPython's hash of a tuple of integers (version 3.8 and newer, 64 bits; a variant of xxHash), which the service's
// `hash_unordered` metrics are reduced with. All arithmetic wraps at 64 bits.

const modulus = 2n ** 61n - 1n;
const prime1 = 11_400_714_785_074_694_791n;
const prime2 = 14_029_467_366_897_019_727n;
const prime5 = 2_870_177_450_012_600_261n;
const lengthSalt = prime5 ^ 3_527_539n;
/** -1 is CPython's mark of failure, so no hash may be it. */
const insteadOfMinusOne = 1_546_275_796n;

const wrap = (value: bigint): bigint => BigInt.asUintN(64, value);

function hashInteger(value: bigint): bigint {
  const hash = value < 0n ? -(-value % modulus) : value % modulus;
  return hash === -1n ? -2n : hash;
}

/** `hash(tuple(values))` as CPython computes it: a signed 64-bit integer. */
export function hashIntegerTuple(values: readonly bigint[]): bigint {
  let acc = prime5;
  for (const value of values) {
    acc = wrap(acc + wrap(hashInteger(value)) * prime2);
    acc = wrap((acc << 31n) | (acc >> 33n));
    acc = wrap(acc * prime1);
  }
  acc = wrap(acc + (BigInt(values.length) ^ lengthSalt));
  return acc === wrap(-1n) ? insteadOfMinusOne : BigInt.asIntN(64, acc);
}
