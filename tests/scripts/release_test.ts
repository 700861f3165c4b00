import { deepEqual, equal, ok } from "node:assert/strict";
import { writeRelease } from "../../scripts/release.ts";
import { FLOE_VERSION } from "../../lib/version.ts";
import { read } from "../support/document.ts";

function run(program: string, args: readonly string[], cwd: string) {
  const { success, stdout } = new Deno.Command(program, { args: [...args], cwd }).outputSync();
  return { success, stdout: new TextDecoder().decode(stdout) };
}

/** A release without its executable, in a folder for as long as the work takes. */
async function withRelease(work: (folder: string) => Promise<void> | void): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await writeRelease(folder, { withExecutable: false });
    await work(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("a release has all its parts, and checksums that fit", () =>
  withRelease((folder) => {
    const names = [...Deno.readDirSync(folder)].map(({ name }) => name).toSorted();
    deepEqual(names, [
      "CHANGELOG.md",
      "LICENSE",
      "SHA256SUMS",
      `floe-deploy-${FLOE_VERSION}.tar.gz`,
      `floe-verify-${FLOE_VERSION}.tgz`,
      "openapi.json",
    ]);
    ok(run("sha256sum", ["--check", "--strict", "SHA256SUMS"], folder).success);
    Deno.writeTextFileSync(`${folder}/openapi.json`, "{}\n");
    ok(!run("sha256sum", ["--check", "--strict", "SHA256SUMS"], folder).success);
  }));

Deno.test("a release's archives have the verifier as npm packs it, and what deploys", () =>
  withRelease((folder) => {
    const list = (name: string) =>
      run("tar", ["-tzf", name], folder).stdout.trimEnd().split("\n").toSorted();
    deepEqual(list(`floe-verify-${FLOE_VERSION}.tgz`), [
      "package/LICENSE",
      "package/README.md",
      "package/mod.d.ts",
      "package/mod.js",
      "package/note.js",
      "package/package.json",
      "package/verify.js",
    ]);
    const deployed = [...Deno.readDirSync(new URL("../../deploy", import.meta.url))];
    const files = deployed.filter(({ isFile }) => isFile).map(({ name }) => `deploy/${name}`);
    deepEqual(list(`floe-deploy-${FLOE_VERSION}.tar.gz`), files.toSorted());
  }));

Deno.test("the same sources make the same release", () =>
  withRelease(async (folder) => {
    const first = Deno.readTextFileSync(`${folder}/SHA256SUMS`);
    await withRelease((other) => {
      equal(Deno.readTextFileSync(`${other}/SHA256SUMS`), first);
    });
  }));

Deno.test("deno.json, the changelog and the program are of one version", () => {
  equal(JSON.parse(read("deno.json")).version, FLOE_VERSION);
  ok(read("CHANGELOG.md").includes(`## ${FLOE_VERSION}`));
});
