/**
 * Rule one: imports point downward only, and into another folder through its `mod.ts` only. Two files are
 * excepted, so that a client command can load them without their folder.
 *
 * @module
 */

import { CLIENT_FILES, resolveImport, toLayer, toProjectPath } from "./paths.ts";

const BELOW_NODE = [
  "base",
  "frost",
  "certificate",
  "keygen",
  "reshare",
  "raft",
  "kv",
  "storage",
  "transport",
  "config",
  "keys",
];

/**
 * Which layers each layer may import from, besides itself. From the bottom upward, so that a layer
 * never names one that stands below it in this list.
 */
const MAY_IMPORT: ReadonlyMap<string, readonly string[]> = new Map([
  ["base", []],
  ["frost", ["base"]],
  ["certificate", ["base", "frost"]],
  ["keygen", ["base", "frost", "certificate"]],
  ["reshare", ["base", "frost", "certificate"]],
  ["raft", ["base", "frost", "certificate", "reshare"]],
  ["kv", ["base"]],
  ["storage", ["base", "certificate", "raft", "kv"]],
  ["transport", ["base", "frost", "certificate", "keygen", "raft", "kv"]],
  ["config", ["base", "frost", "certificate", "keygen", "raft", "kv", "storage", "transport"]],
  ["keys", ["base", "frost", "certificate", "keygen", "reshare", "storage", "transport", "config"]],
  ["node", BELOW_NODE],
  ["etcd", ["base", "kv", "node"]],
  ["wire", ["base", "kv"]],
  ["ui", ["base"]],
  ["http", ["base", "certificate", "kv", "config", "node", "etcd", "wire", "ui"]],
  ["client", ["base", "kv", "wire"]],
  ["cli", [...BELOW_NODE, "node", "etcd", "wire", "http", "client"]],
  ["main", ["base", "cli"]],
]);

/** Reports an import, re-export or `import()` that does not point downward, or goes past a `mod.ts`. */
export const layersRule: Deno.lint.Rule = {
  create(context): Deno.lint.LintVisitor {
    const importer = toProjectPath(context.filename);
    const layer = toLayer(importer);
    if (layer === null) return {};

    const check = (source: Deno.lint.Node | null | undefined) => {
      const specifier = toText(source);
      if (source === null || source === undefined || specifier === null) return;
      const message = explainRefusal({ importer, layer, specifier });
      if (message !== null) context.report({ node: source, message });
    };
    return {
      ImportDeclaration: (node) => check(node.source),
      ExportNamedDeclaration: (node) => check(node.source),
      ExportAllDeclaration: (node) => check(node.source),
      ImportExpression: (node) => check(node.source),
      TSImportType: (node) => check(node.argument),
    };
  },
};

/** Why `importer` may not import `specifier`, or null when it may. */
function explainRefusal(
  { importer, layer, specifier }: { importer: string; layer: string; specifier: string },
): string | null {
  const target = resolveImport(specifier, importer);
  if (target === null) return null;
  const mayImport = MAY_IMPORT.get(layer);
  if (mayImport === undefined) {
    return `lib/${layer} has no place among the layers; give it one in lint/layers.ts`;
  }
  const targetLayer = toLayer(target);
  if (targetLayer === layer) return null;
  if (targetLayer !== null && mayImport.includes(targetLayer)) {
    return explainDetour(target, targetLayer);
  }
  const allowed = mayImport.length === 0 ? "nothing above it" : `only ${mayImport.join(", ")}`;
  return `${layer} may not import ${target}: it may import ${allowed}`;
}

/** Why another layer's file may not be imported past its `mod.ts`, or null for `mod.ts` itself. */
function explainDetour(target: string, layer: string): string | null {
  const facade = `lib/${layer}/mod.ts`;
  if (layer === "base" || target === facade || CLIENT_FILES.includes(target)) return null;
  return `import from ${facade}, not from ${target} behind it`;
}

/** The text of a string literal, also where it stands as a type. */
function toText(node: Deno.lint.Node | null | undefined): string | null {
  if (node?.type === "TSLiteralType") return toText(node.literal);
  return node?.type === "Literal" && typeof node.value === "string" ? node.value : null;
}
