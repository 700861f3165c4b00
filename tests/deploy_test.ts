import assert from "node:assert/strict";
import { NODE_ENVIRONMENT } from "../lib/cli/process_context.ts";
import { Observer } from "../lib/node/observer.ts";
import { FakeNode, openApp } from "./http/fake_node.ts";

const UNIT = pathOf("floe@.service");
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
  const text = readDeploy("kubernetes.yaml");
  const kinds = [...text.matchAll(/^kind: (\w+)$/gm)].map(([, kind]) => kind);
  assert.deepEqual(kinds, ["Service", "PodDisruptionBudget", "StatefulSet"]);
  assert.match(text, /^# Three Floe nodes/);
  assert.match(text, /^ {2}replicas: 3$/m);
  assert.match(text, /--data-dir=\/data\/node$/m);
});

for (const name of ["alerts.yaml", "grafana.json"]) {
  Deno.test(`deploy/${name} asks for figures that a node has`, async () => {
    const shown = await (await openApp(new FakeNode()).request("/metrics")).text();
    // Counters of the core are there from a node's start; the fake node counts other things.
    const names = [...shown.matchAll(/^# TYPE (\S+) /gm)].map(([, known]) => known);
    const counters = ["certificate.second", ...Object.keys(new Observer().counts)]
      .map((counter) => `floe_${counter.replaceAll(".", "_")}_total`);
    const asked = readDeploy(name).match(/\b(?:floe|process)_[a-z_]+/g) ?? [];
    assert.ok(asked.length > 5);
    for (const one of asked.map((metric) => metric.replace(/_bucket$/, ""))) {
      assert.ok(names.includes(one) || counters.includes(one), one);
    }
  });
}

Deno.test({
  name: "promtool takes deploy/alerts.yaml, and what a node shows",
  ignore: !runs("promtool"),
  async fn() {
    const { code, stderr } = run("promtool", "check", "rules", pathOf("alerts.yaml"));
    assert.equal(code, 0, stderr);
    const child = new Deno.Command("promtool", {
      args: ["check", "metrics"],
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    const shown = await openApp(new FakeNode()).request("/metrics");
    await shown.body?.pipeTo(child.stdin);
    const checked = await child.output();
    assert.equal(checked.code, 0, new TextDecoder().decode(checked.stdout));
  },
});

function hasSystemd(): boolean {
  return runs("systemd-analyze");
}

function runs(program: string): boolean {
  try {
    return new Deno.Command(program, { args: ["--version"] }).outputSync().success;
  } catch {
    return false;
  }
}

function pathOf(name: string): string {
  return new URL(`../deploy/${name}`, import.meta.url).pathname;
}

function readDeploy(name: string): string {
  return Deno.readTextFileSync(pathOf(name));
}

function analyze(...args: readonly string[]) {
  return run("systemd-analyze", ...args);
}

function run(program: string, ...args: readonly string[]) {
  const { code, stdout, stderr } = new Deno.Command(program, { args: [...args] }).outputSync();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

for (const file of ["deploy/floe@.service", "deploy/Dockerfile", "scripts/self_extracting.sh"]) {
  Deno.test(`${file} has the settings of the allocator that floe cluster gives its nodes`, () => {
    const text = Deno.readTextFileSync(new URL(`../${file}`, import.meta.url));
    for (const [name, value] of Object.entries(NODE_ENVIRONMENT)) {
      assert.match(text, new RegExp(`${name}="?(\\$\\{${name}:-)?${value}\\b`));
    }
  });
}
