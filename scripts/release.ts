/**
 * `deno task release`: everything that a release consists of, in `dist/release`, with the checksums of all of it:
 * the executable of this platform, the npm package of the verifier, the files of `deploy`, and the API's description.
 * But for the executable, the same sources make the same bytes.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { Readable, Writable } from "node:stream";
import { createGzip } from "node:zlib";
import { describeApi } from "../lib/http/openapi.ts";
import { FLOE_VERSION } from "../lib/version.ts";
import { runDeno } from "./run_deno.ts";
import { tar, type TarEntry } from "./tar.ts";
import { writeVerifier } from "./verifier.ts";

const ROOT = new URL("../", import.meta.url).pathname;
/** In the form that `sha256sum --check` reads. */
const CHECKSUMS = "SHA256SUMS";
const COPIED = ["CHANGELOG.md", "LICENSE"];

/** Writes a release into an empty folder. Without an executable it takes no time, for tests. */
export async function writeRelease(
  folder: string,
  { withExecutable }: { readonly withExecutable: boolean },
): Promise<void> {
  await Deno.mkdir(folder, { recursive: true });
  if (withExecutable) await writeExecutable(`${folder}/floe-${FLOE_VERSION}-${Deno.build.target}`);
  await writePackage(`${folder}/floe-verify-${FLOE_VERSION}.tgz`);
  const files = await listFiles(`${ROOT}deploy`);
  await writeArchive(`${folder}/floe-deploy-${FLOE_VERSION}.tar.gz`, inFolder("deploy", files));
  await Deno.writeTextFile(
    `${folder}/openapi.json`,
    `${JSON.stringify(describeApi(FLOE_VERSION))}\n`,
  );
  for (const name of COPIED) await Deno.copyFile(`${ROOT}${name}`, `${folder}/${name}`);
  await writeChecksums(folder);
}

async function writeExecutable(output: string): Promise<void> {
  const script = ["run", "--frozen", "-P=build", `${ROOT}scripts/compile.ts`];
  const { success, messages } = await runDeno(script);
  if (!success) throw new Error(`Cannot compile:\n${messages}`);
  await Deno.copyFile(`${ROOT}dist/floe`, output);
  await Deno.chmod(output, 0o755);
}

/** As `npm pack` does, with everything below `package/`. */
async function writePackage(output: string): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await writeVerifier(folder);
    await writeArchive(output, inFolder("package", await listFiles(folder)));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function listFiles(folder: string): Promise<readonly string[]> {
  const entries = await Array.fromAsync(Deno.readDir(folder));
  return entries.filter(({ isFile }) => isFile).map(({ name }) => `${folder}/${name}`).toSorted();
}

function inFolder(name: string, paths: readonly string[]): readonly TarEntry[] {
  return paths.map((path) => ({
    name: `${name}${path.slice(path.lastIndexOf("/"))}`,
    path,
    mode: 0o644,
  }));
}

async function writeArchive(output: string, entries: readonly TarEntry[]): Promise<void> {
  const gzip = createGzip();
  const file = await Deno.create(output);
  await Promise.all([
    ReadableStream.from(tar(entries)).pipeTo(Writable.toWeb(gzip)),
    (Readable.toWeb(gzip) as ReadableStream<Uint8Array>).pipeTo(file.writable),
  ]);
}

async function writeChecksums(folder: string): Promise<void> {
  const paths = (await listFiles(folder)).filter((path) => !path.endsWith(`/${CHECKSUMS}`));
  const lines = await Promise.all(paths.map(async (path) => {
    const digest = createHash("sha256").update(await Deno.readFile(path)).digest("hex");
    return `${digest}  ${path.slice(folder.length + 1)}\n`;
  }));
  await Deno.writeTextFile(`${folder}/${CHECKSUMS}`, lines.join(""));
}

if (import.meta.main) {
  const folder = `${ROOT}dist/release`;
  await Deno.remove(folder, { recursive: true }).catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  });
  await writeRelease(folder, { withExecutable: true });
  console.error("Wrote dist/release. Check: cd dist/release && sha256sum --check SHA256SUMS");
}
