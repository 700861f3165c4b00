import { deepEqual, equal, match } from "node:assert/strict";
import { encodeVerifierKey } from "../../lib/certificate/group_key.ts";
import { marginWarnings } from "../../lib/margins.ts";
import { FakeNode } from "../http/fake_node.ts";
import { fakeGroup } from "../http/fake_reports.ts";
import { floe } from "./fake_terminal.ts";

const NOTE = "floe/genesis/v1\ncluster floe-test\n\n— floe-test/server_1 AAAA\n";

function withGenesis(note = NOTE): FakeNode {
  const node = new FakeNode();
  node.genesis = note;
  return node;
}

Deno.test("group prints the key, the voters, the margins and that there was a dealer", async () => {
  const node = new FakeNode();
  node.group = { ...fakeGroup, threshold: 2, voters: fakeGroup.voters.slice(0, 3) };
  const outcome = await floe(["group"], { hosts: { "a:1": node } });
  deepEqual([outcome.code, outcome.stderr], [0, ""]);
  equal(
    outcome.stdout,
    `VOTER     IDENTIFIER  VERIFYING SHARE
server_1  1           d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a
server_2  2           d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a
server_3  3           d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a

cluster        floe-test
epoch          1
must sign      2 of 3
may be down    1 of 3 nodes; the others still elect and write
may lie        0 of 3 voters; no term gets two leaders
may be lost    1 of 3 shares; with one more, no leader can be elected
may be stolen  1 of 3 shares; with one more, a thief can sign elections
group key      d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a
verifier key   ${encodeVerifierKey(fakeGroup.cluster, fakeGroup.publicKey)}
genesis        none: a dealer made the key
`,
  );
});

Deno.test("group prints the genesis certificate of a key without a dealer", async () => {
  const { stdout } = await floe(["group"], { hosts: { "a:1": withGenesis() } });
  match(
    stdout,
    /^genesis +to verify: floe group --genesis \| floe verify - --config FILE\n\nfloe\/genesis\/v1\n/m,
  );
  equal(stdout.endsWith(`\n\n${NOTE}`), true);
});

Deno.test("group shows what could drive a terminal instead of sending it there", async () => {
  const { stdout } = await floe(["group"], { hosts: { "a:1": withGenesis("a\x1b[2Jb\n") } });
  match(stdout, /\n\na\\u001b\[2Jb\n$/);
});

Deno.test("group --genesis prints the bare signed note, whatever the output format", async () => {
  for (const args of [["group", "--genesis"], ["group", "--genesis", "-o", "json"]]) {
    const { code, stdout } = await floe(args, { hosts: { "b:1": withGenesis() } });
    deepEqual([code, stdout], [0, NOTE]);
  }
});

Deno.test("group --genesis exits with 3 where a dealer made the key", async () => {
  const { code, stdout, stderr } = await floe(["group", "--genesis"], {
    hosts: { "a:1": new FakeNode() },
  });
  deepEqual([code, stdout], [3, ""]);
  match(stderr, /^floe: Cannot print the genesis certificate: none: a dealer made the key/);
});

Deno.test("group -o json prints the API's answer with the warnings", async () => {
  const node = withGenesis();
  node.group = { ...fakeGroup, voters: fakeGroup.voters.slice(0, 4) };
  const { stdout, stderr } = await floe(["group", "-o", "json"], { hosts: { "a:1": node } });
  const { genesis, margins, warnings, publicKey } = JSON.parse(stdout);
  deepEqual([genesis, margins.sharesLost, publicKey], [NOTE, 0, fakeGroup.publicKey.toHex()]);
  deepEqual([warnings, stderr], [marginWarnings({ n: 4, threshold: 4 }), ""]);
});

Deno.test("group warns of a cluster without margins", async () => {
  const node = new FakeNode();
  node.group = { ...fakeGroup, voters: fakeGroup.voters.slice(0, 4) };
  const { stderr } = await floe(["group"], { hosts: { "a:1": node } });
  match(stderr, /^warning: All 4 nodes must sign: /);
});

Deno.test("group exits with 5 when no node answers, and with 1 when something else does", async () => {
  equal((await floe(["group"])).code, 5);
  const hosts = { "a:1": () => Response.json({ publicKey: "d75a" }) };
  const { code, stderr } = await floe(["group"], { hosts });
  equal(code, 1);
  match(stderr, /not as Floe's API does/);
});
