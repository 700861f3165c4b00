import assert from "node:assert/strict";
import { VoterSecret } from "../../lib/keys/dealing.ts";
import { toNodeId } from "../../lib/types.ts";
import { SecretScanner } from "../support/secret_scanner.ts";

Deno.test("a voter's secret shows in nothing that it is turned into", () => {
  const bytes = crypto.getRandomValues(new Uint8Array(32));
  const share = new VoterSecret(toNodeId("alpha"), bytes);
  const scanner = new SecretScanner();
  scanner.add("share", bytes);
  const shown = [
    Deno.inspect({ share }, { depth: 100, showHidden: true, getters: true }),
    JSON.stringify({ share }),
    JSON.stringify({ ...share }),
    String(share),
  ].join("\n");
  assert.match(shown, /alpha/);
  assert.deepEqual(scanner.scan("", new TextEncoder().encode(shown)), []);
  assert.deepEqual(share.reveal(), bytes);
});

Deno.test("erase() leaves nothing of a voter's secret", () => {
  const bytes = crypto.getRandomValues(new Uint8Array(32));
  const share = new VoterSecret(toNodeId("alpha"), bytes);
  share.erase();
  for (const left of [share.reveal(), bytes]) assert.deepEqual(left, new Uint8Array(32));
});
