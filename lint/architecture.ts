/**
 * The two rules of Floe's architecture, held by `deno lint`: imports point downward only
 * (`layers.ts`), and what decides is free of time, chance and the machine (`purity.ts`).
 * Everything else about how Floe's code reads is taste, and no machine's business.
 *
 * @module
 */

import { layersRule } from "./layers.ts";
import { purityRule } from "./purity.ts";

/** The plugin that `deno.json` names. */
const architecture: Deno.lint.Plugin = {
  name: "architecture",
  rules: { layers: layersRule, purity: purityRule },
};

export default architecture;
