import assert from "node:assert/strict";
import { runFloe } from "./harness/floe_process.ts";
import { hasOpenssl, opensslAccepts } from "./harness/openssl.ts";
import { TestCluster } from "./harness/test_cluster.ts";

Deno.test({
  name: "openssl verifies a leader's certificate, and refuses it with one byte changed",
  ignore: !hasOpenssl,
  async fn() {
    await using cluster = new TestCluster({ nodes: 3 });
    const { certificate, term } = await cluster.leader();
    const [id] = cluster.ids;
    assert.ok(id !== undefined);
    const { pem } = await (await cluster.fetch(id, "/v1/group")).json();
    const served = await cluster.fetch(id, `/v1/elections/${term}`, {
      headers: { accept: "text/plain" },
    });
    assert.equal(await served.text(), certificate);

    const [statement = "", signatureLine = ""] = certificate.split(/(?<=\n)\n/);
    const signature = Uint8Array.fromBase64(signatureLine.trim().split(" ")[2] ?? "").subarray(4);
    assert.equal(await opensslAccepts({ pem, statement, signature }), true);
    const forged = statement.replace(/term [0-9]+/, `term ${term + 1}`);
    assert.equal(await opensslAccepts({ pem, statement: forged, signature }), false);

    const folder = cluster.dataDir(id);
    Deno.writeTextFileSync(`${folder}/key.pem`, pem);
    Deno.writeTextFileSync(`${folder}/good`, certificate);
    Deno.writeTextFileSync(`${folder}/bad`, certificate.replace(statement, forged));
    const verify = (note: string) =>
      runFloe(["verify", `${folder}/${note}`, "--key", `${folder}/key.pem`]);
    assert.equal((await verify("good")).code, 0);
    assert.equal((await verify("bad")).code, 7);
  },
});
