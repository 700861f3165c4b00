import assert from "node:assert/strict";
import architecture from "../../lint/architecture.ts";

for (
  const [file, source] of [
    ["lib/bytes.ts", 'import { sign } from "./frost/sign.ts";'],
    ["lib/frost/sign.ts", 'import { Group } from "../certificate/group.ts";'],
    ["lib/certificate/note.ts", 'import { Raft } from "../raft/raft.ts";'],
    ["lib/certificate/note.ts", 'import { Message } from "../keygen/message.ts";'],
    ["lib/keygen/attempt.ts", 'import { Raft } from "../raft/raft.ts";'],
    ["lib/keygen/attempt.ts", 'import { Transport } from "../transport/mod.ts";'],
    ["lib/reshare/change.ts", 'import { Message } from "../keygen/mod.ts";'],
    ["lib/reshare/change.ts", 'import { Raft } from "../raft/mod.ts";'],
    ["lib/reshare/change.ts", 'import { combineSubShares } from "../frost/reshare.ts";'],
    ["lib/raft/raft.ts", 'import { Message } from "../keygen/message.ts";'],
    ["lib/raft/raft.ts", 'import { sign } from "../frost/sign.ts";'],
    ["lib/raft/raft.ts", 'import { openNote } from "../certificate/note.ts";'],
    ["lib/raft/raft.ts", 'import { put } from "../kv/command.ts";'],
    ["lib/raft/raft.ts", 'import type { Peer } from "../transport/peer.ts";'],
    ["lib/raft/raft.ts", 'export { Store } from "../storage/store.ts";'],
    ["lib/raft/raft.ts", 'export * from "../storage/store.ts";'],
    ["lib/node/node.ts", 'const server = import("../http/server.ts");'],
    ["lib/raft/raft.ts", 'type Store = import("../storage/store.ts").Store;'],
    ["lib/kv/state_machine.ts", 'import { Raft } from "../raft/raft.ts";'],
    ["lib/storage/store.ts", 'import { Transport } from "../transport/mod.ts";'],
    ["lib/transport/peer.ts", 'import { Store } from "../storage/mod.ts";'],
    [
      "lib/transport/peer.ts",
      'import { FrostCertifier } from "../certificate/frost_certifier.ts";',
    ],
    ["lib/node/node.ts", 'import { serve } from "../http/server.ts";'],
    ["lib/http/server.ts", 'import { run } from "../cli/cli.ts";'],
    ["lib/http/server.ts", 'import { Raft } from "../raft/raft.ts";'],
    ["lib/wire/mod.ts", 'import type { NodeApi } from "../node/mod.ts";'],
    ["lib/wire/mod.ts", 'import { Problem } from "../http/mod.ts";'],
    ["lib/http/kv.ts", 'import type { MembersBody } from "../wire/members.ts";'],
    ["lib/node/node.ts", 'import type { StatusBody } from "../wire/mod.ts";'],
    ["lib/node/node.ts", 'import { helper } from "../../tests/helper.ts";'],
    ["lib/cli/cli.ts", 'import "../../main.ts";'],
    ["lib/client/client.ts", 'import { Problem } from "../http/mod.ts";'],
    ["lib/client/client.ts", 'import { CommandError } from "../cli/failure.ts";'],
    ["lib/novelty/new.ts", 'import { assert } from "../assert.ts";'],
    ["lib/node/node.ts", 'import { deal } from "../frost/keygen.ts";'],
    ["lib/keys/identity.ts", 'import { serve } from "../node/mod.ts";'],
    ["lib/cli/commands/node.ts", 'const server = import("../../http/server.ts");'],
    ["main.ts", 'import { run } from "./lib/cli/cli.ts";'],
    ["main.ts", 'import { Raft } from "./lib/raft/raft.ts";'],
  ] as const
) {
  Deno.test(`layers catches ${file}: ${source}`, () => {
    assert.deepEqual(rulesOf(file, source), ["architecture/layers"]);
  });
}

for (
  const [file, source] of [
    ["lib/types.ts", 'import { InputError } from "./errors.ts";'],
    ["lib/frost/sign.ts", 'import { encodeHex } from "../bytes.ts";'],
    ["lib/keygen/attempt.ts", 'import { deal } from "../frost/mod.ts";'],
    ["lib/keygen/attempt.ts", 'import { verifyGenesis } from "../certificate/mod.ts";'],
    ["lib/node/node.ts", 'import { KeyGeneration } from "../keygen/mod.ts";'],
    ["lib/raft/raft.ts", 'import type { Certifier } from "../certificate/mod.ts";'],
    ["lib/raft/raft.ts", 'import { CertificateError } from "../certificate/mod.ts";'],
    ["lib/raft/raft.ts", 'import { Log } from "./log.ts"; export * from "./role.ts";'],
    ["lib/raft/raft.ts", 'import { encode } from "@msgpack/msgpack";'],
    ["lib/storage/store.ts", 'import type { Entry } from "../raft/mod.ts";'],
    ["lib/transport/peer.ts", 'import type { Message } from "../raft/mod.ts";'],
    ["lib/transport/keygen_codec.ts", 'import type { Message } from "../keygen/mod.ts";'],
    ["lib/node/node.ts", 'import { deal } from "../frost/mod.ts";'],
    ["lib/http/server.ts", 'import type { NodeApi } from "../node/mod.ts";'],
    ["lib/http/kv.ts", 'import type { PutBody } from "../wire/mod.ts";'],
    ["lib/cli/commands/node.ts", 'import { serve } from "../../http/mod.ts";'],
    ["lib/cli/commands/kv.ts", 'import { putSchema } from "../../wire/mod.ts";'],
    ["lib/client/client.ts", 'import type { Schema } from "../wire/mod.ts";'],
    ["main.ts", 'import { run } from "./lib/cli/mod.ts";'],
    ["tests/raft/raft_test.ts", 'import { serve } from "../../lib/http/server.ts";'],
    ["bench/frost.ts", 'import { deal } from "../lib/frost/keygen.ts";'],
  ] as const
) {
  Deno.test(`layers lets pass ${file}: ${source}`, () => {
    assert.deepEqual(rulesOf(file, source), []);
  });
}

Deno.test("layers knows a file by its full path, as deno lint gives it", () => {
  const file = new URL("../../lib/kv/state_machine.ts", import.meta.url).pathname;
  assert.deepEqual(rulesOf(file, 'import { Raft } from "../raft/raft.ts";'), [
    "architecture/layers",
  ]);
});

Deno.test("layers says what a layer may import", () => {
  const [diagnostic] = Deno.lint.runPlugin(
    architecture,
    "lib/kv/state_machine.ts",
    'import { Raft } from "../raft/raft.ts";',
  );
  assert.equal(diagnostic?.message, "kv may not import lib/raft/raft.ts: it may import only base");
});

function rulesOf(file: string, source: string): string[] {
  return Deno.lint.runPlugin(architecture, file, source).map(({ id }) => id);
}
