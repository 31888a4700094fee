import type { Place } from "../protocol-error.ts";

/**
 * How a value is written to JSON and read back: the one description of a field, from which both directions follow.
 * `encode` checks too, so that a caller's mistake is named here and not by the server.
 */
export interface Shape<T> {
  encode(value: T, place: Place): unknown;
  decode(json: unknown, place: Place): T;
  /** Stands in for a field that is missing or null when read. */
  readonly whenMissing?: () => T;
  /** Null is a value of its own and not the same as missing. */
  readonly nullIsValue?: true;
}

/** A field that may be left out. */
export interface OptionalShape<T> {
  readonly optional: Shape<T>;
}

type Field<T, K extends keyof T> =
  object extends Pick<T, K> ? OptionalShape<Exclude<T[K], undefined>> : Shape<Exclude<T[K], undefined>>;

/** One shape for each property of `T`, in the order they are written. Names are camelCase; the wire's are snake_case. */
export type Fields<T> = { readonly [K in keyof T]-?: Field<T, K> };

/** The field may be absent (`undefined` here, left out or null on the wire). */
export const optional = <T>(shape: Shape<T>): OptionalShape<T> => ({ optional: shape });

/** The field is always written, and has this value when it was left out. */
export const withDefault = <T>(shape: Shape<T>, value: T): Shape<T> => ({
  encode: (given, place) => shape.encode(given, place),
  decode: (json, place) => shape.decode(json, place),
  whenMissing: () => value,
});

/** The value or null. */
export const nullable = <T>(shape: Shape<T>): Shape<T | null> => ({
  encode: (value, place) => (value === null ? null : shape.encode(value, place)),
  decode: (json, place) => (json === null ? null : shape.decode(json, place)),
  nullIsValue: true,
});

/** A value that looks the same in memory and in JSON. */
export function same<T>(expected: string, accepts: (value: unknown) => value is T): Shape<T> {
  const check = (value: unknown, place: Place): T => (accepts(value) ? value : place.fail(expected, value));
  return { encode: check, decode: check };
}

/** A value that is held in one form and written in another. */
export const mapped = <Wire, T>(
  shape: Shape<Wire>,
  toWire: (value: T, place: Place) => Wire,
  fromWire: (wire: Wire, place: Place) => T,
): Shape<T> => ({
  encode: (value, place) => shape.encode(toWire(value, place), place),
  decode: (json, place) => fromWire(shape.decode(json, place), place),
});

/** The value, if it is an array. */
export const asArray = (value: unknown, place: Place): readonly unknown[] =>
  Array.isArray(value) ? value : place.fail("an array", value);

/** A list of one kind of value. */
export const list = <T>(element: Shape<T>): Shape<readonly T[]> => ({
  encode: (values, place) => asArray(values, place).map((value, index) => element.encode(value as T, place.at(index))),
  decode: (json, place) => asArray(json, place).map((value, index) => element.decode(value, place.at(index))),
});

/** True for `{...}`, false for arrays, typed arrays and null. */
export const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value) && !ArrayBuffer.isView(value);

/** The value, if it is `{...}`. */
export const asRecord = (value: unknown, place: Place): Readonly<Record<string, unknown>> =>
  isRecord(value) ? value : place.fail("an object", value);

/** A map whose keys are data and so never renamed. */
export const record = <T>(element: Shape<T>): Shape<Readonly<Record<string, T>>> => {
  // Object.fromEntries defines own properties, so a key called __proto__ is data like any other.
  const map = <R>(value: unknown, place: Place, each: (item: unknown, place: Place) => R): Record<string, R> =>
    Object.fromEntries(Object.entries(asRecord(value, place)).map(([key, item]) => [key, each(item, place.at(key))]));
  return {
    encode: (value, place) => map(value, place, (item, at) => element.encode(item as T, at)),
    decode: (json, place) => map(json, place, (item, at) => element.decode(item, at)),
  };
};

const snakeCase = (name: string): string => name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

/** What an object does with fields it does not know: requests reject them, responses ignore them. */
export type UnknownFields = "reject" | "ignore";

/** What {@link object} does beside its fields. */
export interface ObjectOptions {
  readonly unknownFields: UnknownFields;
  /** Written as a last field `type`; when read it may be missing, but not different. */
  readonly tag?: string;
}

/** An object with named fields. */
export function object<T extends object>(fields: Fields<T>, { unknownFields, tag }: ObjectOptions): Shape<T> {
  const entries = Object.entries<Shape<unknown> | OptionalShape<unknown>>(fields).map(([name, field]) => {
    const isOptional = "optional" in field;
    return { name, wire: snakeCase(name), isOptional, shape: isOptional ? field.optional : field };
  });
  const names = new Set(entries.map((entry) => entry.name));
  const wireNames = new Set([...entries.map((entry) => entry.wire), ...(tag === undefined ? [] : ["type"])]);

  function asKnown(value: unknown, known: ReadonlySet<string>, place: Place): Readonly<Record<string, unknown>> {
    const given = asRecord(value, place);
    if (unknownFields === "reject") {
      for (const key of Object.keys(given)) {
        if (!known.has(key) && given[key] !== undefined) place.at(key).failWith("left out", "an unknown field");
      }
    }
    return given;
  }

  return {
    encode(value, place) {
      const given = asKnown(value, names, place);
      const json: Record<string, unknown> = {};
      for (const { name, wire, isOptional, shape } of entries) {
        const item = given[name];
        if (item !== undefined || !isOptional) json[wire] = shape.encode(item, place.at(wire));
      }
      if (tag !== undefined) json["type"] = tag;
      return json;
    },
    decode(json, place) {
      const given = asKnown(json, wireNames, place);
      const value: Record<string, unknown> = {};
      for (const { name, wire, isOptional, shape } of entries) {
        const item = Object.hasOwn(given, wire) ? given[wire] : undefined;
        if (item === undefined || (item === null && shape.nullIsValue !== true)) {
          if (isOptional) continue;
          value[name] = shape.whenMissing ? shape.whenMissing() : place.at(wire).failWith("present", "nothing");
        } else {
          value[name] = shape.decode(item, place.at(wire));
        }
      }
      const type = given["type"];
      if (tag !== undefined && type !== undefined && type !== null && type !== tag) {
        place.at("type").fail(JSON.stringify(tag), type);
      }
      return value as T;
    },
  };
}

/** Objects told apart by one string field, `key`, which each variant also lists among its own fields. */
export function union<T extends object, K extends string & keyof T>(
  key: K,
  variants: { readonly [V in T[K] & string]: Shape<Extract<T, Readonly<Record<K, V>>>> },
): Shape<T> {
  const shapes = new Map(Object.entries<Shape<T>>(variants));
  const choose = (value: unknown, place: Place): Shape<T> => {
    const name = asRecord(value, place)[key];
    return (
      shapes.get(name as string) ??
      place.at(key).fail([...shapes.keys()].map((n) => JSON.stringify(n)).join(" or "), name)
    );
  };
  return {
    encode: (value, place) => choose(value, place).encode(value, place),
    decode: (json, place) => choose(json, place).decode(json, place),
  };
}
