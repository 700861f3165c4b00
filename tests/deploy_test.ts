import assert from "node:assert/strict";

const UNIT = new URL("../deploy/floe@.service", import.meta.url).pathname;
/** From 0, nothing is open, to 10. */
const EXPOSURE_MAX = 1.5;

Deno.test({
  name: "deploy/floe@.service is a unit that systemd takes",
  ignore: !hasSystemd(),
  fn() {
    const { code, stderr } = analyze("verify", UNIT);
    const faults = stderr.split("\n")
      // It is not installed where tests run.
      .filter((line) => line !== "" && !line.includes("/usr/local/bin/floe is not executable"));
    assert.deepEqual(faults, []);
    assert.ok(code === 0 || code === 1);
  },
});

Deno.test({
  name: "deploy/floe@.service leaves little open",
  ignore: !hasSystemd(),
  fn() {
    const { stdout } = analyze("security", "--offline=true", "--no-pager", UNIT);
    const [, exposure] = /exposure level for floe@i\.service: ([0-9.]+)/.exec(stdout) ?? [];
    assert.ok(Number(exposure) <= EXPOSURE_MAX, stdout);
  },
});

Deno.test("deploy/kubernetes.yaml runs as many nodes as its comment says, one folder each", () => {
  const text = Deno.readTextFileSync(new URL("../deploy/kubernetes.yaml", import.meta.url));
  const kinds = [...text.matchAll(/^kind: (\w+)$/gm)].map(([, kind]) => kind);
  assert.deepEqual(kinds, ["Service", "PodDisruptionBudget", "StatefulSet"]);
  assert.match(text, /^# Three Floe nodes/);
  assert.match(text, /^ {2}replicas: 3$/m);
  assert.match(text, /--data-dir=\/data\/node$/m);
});

function hasSystemd(): boolean {
  try {
    return new Deno.Command("systemd-analyze", { args: ["--version"] }).outputSync().success;
  } catch {
    return false;
  }
}

function analyze(...args: readonly string[]) {
  const { code, stdout, stderr } = new Deno.Command("systemd-analyze", { args: [...args] })
    .outputSync();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}
