/**
 * Rule two: `frost`, `certificate`, `keygen`, `reshare`, `raft` and `kv` read no clock, no environment and no
 * global randomness, and never await. What they do follows from what they are given, so that a simulation
 * can replay it and a test can show all of it.
 *
 * @module
 */

import { toLayer, toProjectPath } from "./paths.ts";

const PURE_LAYERS = ["frost", "certificate", "keygen", "reshare", "raft", "kv"];

/** Global names that lead out of the computation, with what to do instead. */
const IMPURE_GLOBALS: ReadonlyMap<string, string> = new Map([
  ...because(
    "reads a clock; time comes in as ticks",
    ["Date", "performance", "Temporal", "setTimeout", "setInterval", "setImmediate"],
  ),
  ...because(
    "defers work; a pure step is done when it returns",
    ["Promise", "queueMicrotask", "Worker"],
  ),
  ...because(
    "reaches the machine; values come in as parameters, effects leave as results",
    ["Deno", "process", "fetch", "WebSocket", "console", "navigator", "localStorage", "Intl"],
  ),
  ...because("is asynchronous or global randomness; randomness comes in as a parameter", [
    "crypto",
  ]),
  ...because("hides which global is used", ["globalThis", "eval", "require"]),
]);

/** Properties that mean the same wherever they stand. */
const IMPURE_PROPERTIES: ReadonlyMap<string, string> = new Map([
  ...because("is global randomness; randomness comes in as a parameter", [
    "getRandomValues",
    "randomUUID",
    "randomSecretKey",
    "randomPrivateKey",
  ]),
  ...because("depends on the machine's locale", [
    "localeCompare",
    "toLocaleString",
    "toLocaleUpperCase",
    "toLocaleLowerCase",
  ]),
]);

/** Packages whose results depend on their arguments alone. */
const PURE_PACKAGES = /^(npm:)?(@noble\/(curves|hashes)|@msgpack\/msgpack|zod|node:buffer)(@|\/|$)/;

/** What may be used of node:crypto: synchronous, and a function of its arguments. */
const PURE_NODE_CRYPTO = [
  "createHash",
  "createHmac",
  "createPrivateKey",
  "createPublicKey",
  "diffieHellman",
  "hash",
  "KeyObject",
  "sign",
  "timingSafeEqual",
  "verify",
];

/** Reports what would make a pure layer depend on anything but its input. */
export const purityRule: Deno.lint.Rule = {
  create(context): Deno.lint.LintVisitor {
    const layer = toLayer(toProjectPath(context.filename));
    if (layer === null || !PURE_LAYERS.includes(layer)) return {};

    const report = (node: Deno.lint.Node, what: string) =>
      context.report({ node, message: `lib/${layer} is pure: ${what}` });
    const checkFunction = (node: Deno.lint.Node & { async: boolean }) => {
      if (node.async) report(node, "an async function defers work; return the result");
    };
    return {
      Identifier(node) {
        const why = explainIdentifier(node);
        if (why !== null) report(node, why);
      },
      Literal(node) {
        // x["localeCompare"], and globalThis by any other name: self["Date"].
        if (node.parent.type !== "MemberExpression" || node.parent.property !== node) return;
        const why = explainProperty(node.parent, String(node.value));
        if (why !== null) report(node, why);
      },
      ImportDeclaration(node) {
        for (const [at, why] of explainImport(node)) report(at, why);
      },
      ImportExpression: (node) => report(node, "import() defers work; import at the top"),
      AwaitExpression: (node) => report(node, "await defers work; return the result"),
      ForOfStatement(node) {
        if (node.await) report(node, "for await defers work; take the values as a parameter");
      },
      FunctionDeclaration: checkFunction,
      FunctionExpression: checkFunction,
      ArrowFunctionExpression: checkFunction,
    };
  },
};

function explainIdentifier(node: Deno.lint.Identifier): string | null {
  const { parent, name } = node;
  if (parent.type === "MemberExpression" && parent.property === node && !parent.computed) {
    return explainProperty(parent, name);
  }
  if (isMereName(node)) return null;
  if (name === "Math") {
    const isMember = parent.type === "MemberExpression" && parent.object === node &&
      !parent.computed;
    return isMember ? null : "Math is to be used member by member, so that random shows";
  }
  const why = IMPURE_GLOBALS.get(name);
  return why === undefined ? null : `${name} ${why}`;
}

/** Whether an identifier only names a property, a method or what another module exports. */
function isMereName(node: Deno.lint.Identifier): boolean {
  const parent: Deno.lint.Node = node.parent;
  if (parent.type === "ImportSpecifier") return parent.imported === node;
  if (!("key" in parent) || parent.key !== node) return false;
  if ("computed" in parent && parent.computed) return false;
  return !("shorthand" in parent && parent.shorthand);
}

function explainProperty(node: Deno.lint.MemberExpression, name: string): string | null {
  const object = node.object.type === "Identifier" ? node.object.name : "";
  if (object === "Math" && name === "random") {
    return "Math.random is global randomness; randomness comes in as a parameter";
  }
  if (object === "self" && IMPURE_GLOBALS.has(name)) {
    return `${name} ${IMPURE_GLOBALS.get(name)}`;
  }
  const why = IMPURE_PROPERTIES.get(name);
  return why === undefined ? null : `${name} ${why}`;
}

function explainImport(node: Deno.lint.ImportDeclaration): [Deno.lint.Node, string][] {
  const specifier = node.source.value;
  if (/^\.{1,2}\//.test(specifier)) return [];
  if (specifier !== "node:crypto" && !PURE_PACKAGES.test(specifier)) {
    return [[node.source, `${specifier} is not among the packages known to be pure`]];
  }
  return node.specifiers.flatMap((imported): [Deno.lint.Node, string][] => {
    if (imported.type !== "ImportSpecifier") {
      return [[imported, `import from ${specifier} by name, so that it shows what is used`]];
    }
    const name = imported.imported.type === "Identifier" ? imported.imported.name : "";
    if (specifier === "node:crypto" ? PURE_NODE_CRYPTO.includes(name) : name !== "randomBytes") {
      return [];
    }
    return [[imported, `${name} of ${specifier} is not a function of its arguments alone`]];
  });
}

function because(why: string, names: readonly string[]): [string, string][] {
  return names.map((name) => [name, why]);
}
