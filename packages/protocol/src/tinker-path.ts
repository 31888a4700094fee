import { Place } from "./protocol-error.ts";

/** What a path names: `weights` to train on, `sampler_weights` to sample from. */
export type TinkerPathKind = "weights" | "sampler_weights";

/** A checkpoint's address, `tinker://<training run>/<kind>/<name>`. */
export interface TinkerPath {
  readonly trainingRunId: string;
  /** `undefined` for the two-part form `tinker://<training run>/<name>`, which SkyRL answers for sampler weights. */
  readonly kind: TinkerPathKind | undefined;
  readonly name: string;
}

const place = Place.root("TinkerPath");
const scheme = "tinker://";
const form = "tinker://<training run>/<weights or sampler_weights>/<name>";

/** Functions on {@link TinkerPath}. */
export const TinkerPath = {
  /**
   * Reads a path of two or three parts. As in the Python SDK the parts may hold any character but a slash; unlike
   * there, none may be empty. Throws `ProtocolError` for anything else.
   */
  parse(path: string): TinkerPath {
    if (typeof path !== "string" || !path.startsWith(scheme)) return place.fail(form, path);
    const parts = path.slice(scheme.length).split("/");
    const [trainingRunId, second, third] = parts;
    if (parts.length > 3 || trainingRunId === undefined || second === undefined || parts.includes("")) {
      return place.fail(form, path);
    }
    if (third === undefined) return { trainingRunId, kind: undefined, name: second };
    if (second !== "weights" && second !== "sampler_weights") return place.fail(form, path);
    return { trainingRunId, kind: second, name: third };
  },

  /** The text form; the inverse of `parse`. */
  format({ trainingRunId, kind, name }: TinkerPath): string {
    return `${scheme}${[trainingRunId, ...(kind === undefined ? [] : [kind]), name].join("/")}`;
  },

  /** `<kind>/<name>`, as checkpoint routes and listings spell it; only the name when there is no kind. */
  checkpointId({ kind, name }: TinkerPath): string {
    return kind === undefined ? name : `${kind}/${name}`;
  },
};
