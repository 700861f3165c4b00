import assert from "node:assert/strict";
import { EnvironmentError } from "../../lib/errors.ts";
import {
  removeFile,
  removeLeftovers,
  statFile,
  writeFileAtomically,
} from "../../lib/keys/private_file.ts";

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

Deno.test("writeFileAtomically() syncs the file before its name, and then the folder", () => {
  withFolder((folder) => {
    const steps = stepsOf(() => {
      writeFileAtomically({ path: `${folder}/file`, text: "one", mode: 0o600 });
    });
    assert.deepEqual(steps, ["sync file", "rename", "sync folder"]);
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

Deno.test("removeLeftovers() removes what writes of this file left, and nothing else", () => {
  withFolder((folder) => {
    const kept = ["file", "file.7.tmp.bak", "file.tmp", "file.x.tmp", "other.7.tmp", "xfile.7.tmp"];
    for (const name of [...kept, "file.7.tmp", "file.4242.tmp"]) {
      Deno.writeTextFileSync(`${folder}/${name}`, "");
    }
    removeLeftovers(`${folder}/file`);
    assert.deepEqual([...Deno.readDirSync(folder)].map(({ name }) => name).sort(), kept);
  });
});

Deno.test("removeLeftovers() blames the environment for a folder that is not there", () => {
  assert.throws(() => removeLeftovers("/nowhere/file"), EnvironmentError);
});

Deno.test("removeFile() removes a file, needs none, and blames the environment for the rest", () => {
  withFolder((folder) => {
    Deno.writeTextFileSync(`${folder}/file`, "");
    for (let times = 0; times < 2; times++) removeFile(`${folder}/file`);
    assert.equal(statFile(`${folder}/file`), null);
    assert.throws(() => removeFile(`${folder}/none/file`), EnvironmentError);
  });
});

Deno.test("statFile() answers null for nothing, also below a file", () => {
  withFolder((folder) => {
    Deno.writeTextFileSync(`${folder}/file`, "");
    assert.equal(statFile(`${folder}/none`), null);
    assert.equal(statFile(`${folder}/file/below`), null);
    assert.equal(statFile(`${folder}/file`)?.isFile, true);
  });
});

/** What a write does that a crash between two of its steps would show. */
function stepsOf(write: () => void): readonly string[] {
  const steps: string[] = [];
  const { prototype } = Deno.FsFile;
  const [{ syncSync }, { renameSync }] = [prototype, Deno];
  prototype.syncSync = function (this: Deno.FsFile) {
    steps.push(this.statSync().isDirectory ? "sync folder" : "sync file");
    syncSync.call(this);
  };
  Deno.renameSync = (from, to) => {
    steps.push("rename");
    renameSync(from, to);
  };
  try {
    write();
  } finally {
    prototype.syncSync = syncSync;
    Deno.renameSync = renameSync;
  }
  return steps;
}

function withFolder(test: (folder: string) => void): void {
  const folder = Deno.makeTempDirSync({ prefix: "floe-files-" });
  try {
    test(folder);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}
