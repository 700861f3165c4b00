/**
 * `deno task package`: writes `dist/verify`, the npm package of the verifier. Its modules are those that the page
 * and Deno load: nothing is compiled.
 *
 * @module
 */

const ROOT = new URL("../", import.meta.url);
const SOURCE = new URL("lib/ui/verify/", ROOT);
/** The modules, their types, and what a reader needs. */
const FILES = ["mod.js", "note.js", "verify.js", "mod.d.ts", "README.md"];

/** Writes the package into a folder, which is made. */
export async function writeVerifier(folder: string): Promise<void> {
  await Deno.mkdir(folder, { recursive: true });
  for (const file of FILES) await Deno.copyFile(new URL(file, SOURCE), `${folder}/${file}`);
  await Deno.copyFile(new URL("LICENSE", ROOT), `${folder}/LICENSE`);
  const manifest = await describePackage();
  await Deno.writeTextFile(`${folder}/package.json`, `${JSON.stringify(manifest, null, 2)}\n`);
}

async function describePackage() {
  const { version, imports } = JSON.parse(await Deno.readTextFile(new URL("deno.json", ROOT)));
  const curves = imports["@noble/curves"].replace("npm:@noble/curves@", "");
  return {
    name: "@floe/verify",
    version,
    description: "Verifies the certificates of Floe clusters: who leads, and who belongs",
    license: "MIT",
    type: "module",
    sideEffects: false,
    engines: { node: ">=20" },
    exports: { ".": { types: "./mod.d.ts", default: "./mod.js" } },
    files: FILES,
    peerDependencies: { "@noble/curves": `^${curves}` },
    peerDependenciesMeta: { "@noble/curves": { optional: true } },
  };
}

if (import.meta.main) {
  const folder = new URL("dist/verify", ROOT).pathname;
  await writeVerifier(folder);
  console.error("Wrote dist/verify. Try: npm pack ./dist/verify");
}
