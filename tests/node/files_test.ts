import assert from "node:assert/strict";
import { EnvironmentError } from "../../lib/errors.ts";
import { statFile, writeFileAtomically } from "../../lib/node/files.ts";

Deno.test("writeFileAtomically() replaces a file and leaves nothing else behind", () => {
  withFolder((folder) => {
    const path = `${folder}/file`;
    writeFileAtomically({ path, text: "one", mode: 0o644 });
    writeFileAtomically({ path, text: "two", mode: 0o600 });
    assert.equal(Deno.readTextFileSync(path), "two");
    assert.equal((Deno.statSync(path).mode ?? 0) & 0o777, 0o600);
    assert.deepEqual([...Deno.readDirSync(folder)].map(({ name }) => name), ["file"]);
  });
});

Deno.test("writeFileAtomically() keeps the earlier file when it cannot write", () => {
  withFolder((folder) => {
    Deno.mkdirSync(`${folder}/taken`);
    assert.throws(
      () => writeFileAtomically({ path: `${folder}/taken`, text: "", mode: 0o600 }),
      (error) => error instanceof EnvironmentError && /taken.*permissions/.test(error.message),
    );
    assert.deepEqual([...Deno.readDirSync(folder)].map(({ name }) => name), ["taken"]);
  });
});

Deno.test("writeFileAtomically() blames the environment for a folder that is not there", () => {
  assert.throws(
    () => writeFileAtomically({ path: "/nowhere/file", text: "", mode: 0o600 }),
    EnvironmentError,
  );
});

Deno.test("statFile() answers null for nothing, also below a file", () => {
  withFolder((folder) => {
    Deno.writeTextFileSync(`${folder}/file`, "");
    assert.equal(statFile(`${folder}/none`), null);
    assert.equal(statFile(`${folder}/file/below`), null);
    assert.equal(statFile(`${folder}/file`)?.isFile, true);
  });
});

function withFolder(test: (folder: string) => void): void {
  const folder = Deno.makeTempDirSync({ prefix: "floe-files-" });
  try {
    test(folder);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}
