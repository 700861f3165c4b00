import { deepEqual, ok } from "node:assert/strict";

const ROOT = new URL("../../", import.meta.url);
/** What a command that only asks nodes must not wait for at its start. */
const HEAVY = ["frost", "certificate", "keygen", "raft", "storage", "transport", "keys", "node"];

interface Dependency {
  readonly code?: { readonly specifier?: string };
  readonly isDynamic?: boolean;
}

interface Module {
  readonly specifier: string;
  readonly dependencies?: readonly Dependency[];
}

for (const command of ["kv", "leader", "status", "token", "group"]) {
  Deno.test(`floe's commands of ${command}.ts load no node and no cryptography at their start`, async () => {
    const files = ["main.ts", `lib/cli/commands/${command}.ts`];
    const loaded = (await Promise.all(files.map(loadedAtStart))).flat();
    ok(loaded.some((specifier) => specifier.includes("lib/client/client.ts")));
    const heavy = HEAVY.filter((folder) => loaded.some((file) => file.includes(`/lib/${folder}/`)));
    deepEqual(heavy, []);
  });
}

/** Beside the folders of the command line and the client, all that a command on keys waits for at its start. */
const LIGHT = [
  "lib/address.ts",
  "lib/assert.ts",
  "lib/bytes.ts",
  "lib/errors.ts",
  "lib/json.ts",
  "lib/json_bytes.ts",
  "lib/kv/key_range.ts",
  "lib/kv/lock.ts",
  "lib/limits.ts",
  "lib/margins.ts",
  "lib/request.ts",
  "lib/streams.ts",
  "lib/types.ts",
  "lib/version.ts",
];
/** Neither the schema library nor anything else but the reader of arguments. */
const PACKAGES = ["commander"];

for (const command of ["kv", "range", "lease", "txn", "watch", "lock"]) {
  Deno.test(`floe's commands of ${command}.ts wait at their start for no schema and no store`, async () => {
    const files = ["main.ts", `lib/cli/commands/${command}.ts`];
    const loaded = new Set((await Promise.all(files.map(loadedAtStart))).flat());
    const own = [...loaded].filter((specifier) => specifier.startsWith(ROOT.href))
      .map((specifier) => specifier.slice(ROOT.href.length));
    const others = own.filter((path) => !/^(main\.ts|lib\/(cli|client)\/)/.test(path));
    deepEqual(others.filter((path) => !LIGHT.includes(path)), []);
    const packages = [...loaded].flatMap((specifier) =>
      /^npm:\/?([^@/]+)/.exec(specifier)?.[1] ?? []
    );
    deepEqual(packages.filter((name) => !PACKAGES.includes(name)), []);
  });
}

/** Every module that a file imports, itself or through others, other than by `import()`. */
async function loadedAtStart(file: string): Promise<readonly string[]> {
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", "--frozen", file],
    cwd: ROOT,
  }).output();
  const graph: { readonly modules: readonly Module[] } = JSON.parse(
    new TextDecoder().decode(stdout),
  );
  const modules = new Map(graph.modules.map((module) => [module.specifier, module]));
  const loaded = new Set<string>([new URL(file, ROOT).href]);
  for (const specifier of loaded) {
    for (const { code, isDynamic } of modules.get(specifier)?.dependencies ?? []) {
      if (code?.specifier !== undefined && isDynamic !== true) loaded.add(code.specifier);
    }
  }
  return [...loaded];
}
