import assert from "node:assert/strict";
import { TestFolder } from "../e2e/harness/test_cluster.ts";
import { floe } from "./fake_terminal.ts";

for (
  const [flags, message] of [
    [["--nodes", "0"], /whole number from 1/],
    [["--nodes", "many"], /whole number from 1/],
    [["--nodes", "102"], /whole number from 1 to 101/],
    [["--nodes", "5", "--threshold", "2"], /--threshold: 2 of 5 voters.*from 3 to 5/],
    [["--nodes", "3", "--base-port", "65500"], /--base-port: 65500 is not from 1 to/],
    [["--nodes", "3", "--base-port", "65536"], /whole number from 1 to 65535/],
    [["--threshold", "2"], /go with --nodes/],
    [["--base-port", "9000"], /go with --nodes/],
    [["--nodes", "3", "--config", "cluster.json"], /exclude each other/],
    [["--config", "/nowhere/cluster.json"], /nowhere\/cluster\.json.*\n.*no such file/],
    [["--log-format", "xml"], /"xml".*text, json/],
    [["--for", "0"], /whole number from 1/],
  ] as const
) {
  Deno.test(`cluster ${flags.join(" ")} is a usage error`, async () => {
    using folder = new TestFolder({ nodes: 1 });
    const refused = await floe(["cluster", "--data-dir", `${folder.path}/data`, ...flags]);
    assert.equal(refused.code, 2, refused.stderr);
    assert.match(refused.stderr, message);
  });
}
