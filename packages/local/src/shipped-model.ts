import { fileURLToPath } from "node:url";

/** The base model that comes with this package; its folder says what it is made of. */
export const shippedModel: { readonly name: string; readonly folder: string } = {
  name: "tinkex/pebble",
  // The same distance from src and from the build's dist.
  folder: fileURLToPath(new URL("../models/pebble", import.meta.url)),
};
