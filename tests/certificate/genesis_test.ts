import assert from "node:assert/strict";
import { assertDefined } from "../../lib/assert.ts";
import { decodeUtf8, encodeUtf8 } from "../../lib/bytes.ts";
import {
  encodeGenesis,
  encodeGenesisStatement,
  GENESIS_LENGTH_MAX,
  type GenesisStatement,
  verifyGenesis,
  voterKeyName,
} from "../../lib/certificate/genesis.ts";
import { encodeVerifierKey, keyId } from "../../lib/certificate/group_key.ts";
import { parseSignatureLine, splitNote } from "../../lib/certificate/signed_note.ts";
import { InputError } from "../../lib/errors.ts";
import { toClusterName, toEpoch, toNodeId } from "../../lib/types.ts";
import { nodeId } from "./cluster.ts";
import { certifyGenesis, createFounders, createStatement, signStatement } from "./founders.ts";
import { assertRefused } from "./refused.ts";

const FOUNDERS = createFounders(2, 3);
const { roster: ROSTER } = FOUNDERS;
const STATEMENT = createStatement(FOUNDERS);
const NOTE = certifyGenesis(FOUNDERS, STATEMENT);
const LINES = splitNote(NOTE).signatures.split(/(?<=\n)/);

Deno.test("verifyGenesis() returns what the certificate says, which is the cluster's group", () => {
  assert.deepEqual(verifyGenesis(NOTE), { ...STATEMENT, note: NOTE });
  assert.deepEqual(verifyGenesis(NOTE, ROSTER), { ...STATEMENT, note: NOTE });
});

Deno.test("a genesis certificate has a signature line of each voter's verifier key, in their order", () => {
  const names = LINES.map((line) => parseSignatureLine(line).name);
  assert.deepEqual(names, ["floe-test/server_1", "floe-test/server_2", "floe-test/server_3"]);
  for (const [at, { id, identityKey }] of ROSTER.voters.entries()) {
    const line = parseSignatureLine(assertDefined(LINES[at], "no line"));
    const name = voterKeyName(ROSTER.cluster, id);
    const [, hex] = encodeVerifierKey(name, identityKey).split("+");
    assert.equal(line.keyId.toHex(), hex);
  }
});

Deno.test("a genesis certificate of 101 voters with the longest names is half of what is read", () => {
  const [some] = STATEMENT.voters;
  assert.ok(some);
  const voters = Array.from({ length: 101 }, (_, at) => {
    return { ...some, id: toNodeId(`${at}`.padStart(64, "v")), identifier: at + 1 };
  });
  const statement = { ...STATEMENT, cluster: toClusterName("c".repeat(64)), voters };
  const signatures = new Map(voters.map(({ id }) => [id, new Uint8Array(64)]));
  assert.ok(2 * encodeGenesis(statement, signatures).length < GENESIS_LENGTH_MAX);
});

Deno.test("verifyGenesis() refuses a certificate with any one byte changed", () => {
  const bytes = encodeUtf8(NOTE);
  for (let at = 0; at < bytes.length; at++) {
    const changed = bytes.slice();
    changed[at] = (changed[at] ?? 0) ^ 1;
    assert.throws(() => verifyGenesis(decodeUtf8(changed)), InputError, `byte ${at}`);
  }
});

Deno.test("verifyGenesis() refuses every truncation and anything appended", () => {
  for (let length = 0; length < NOTE.length; length += 3) {
    assertRefused("malformed", () => verifyGenesis(NOTE.slice(0, length)));
  }
  for (const appended of ["\n", " ", "x", LINES[0] ?? "", `\n${LINES.join("")}`]) {
    assertRefused("malformed", () => verifyGenesis(NOTE + appended));
  }
  assertRefused("malformed", () => verifyGenesis("x".repeat(GENESIS_LENGTH_MAX + 1)));
});

Deno.test("verifyGenesis() refuses any voter's signature left out, doubled, or out of order", () => {
  const { text } = splitNote(NOTE);
  const [first = "", second = "", third = ""] = LINES;
  for (
    const lines of [
      [second, third],
      [first, third],
      [first, second],
      [first],
      [first, first, third],
      [first, second, third, third],
      [third, second, first],
      [second, first, third],
    ]
  ) {
    assertRefused("malformed", () => verifyGenesis(`${text}\n${lines.join("")}`));
  }
});

Deno.test("verifyGenesis() names the voter who has not signed", () => {
  for (const [at, { id }] of ROSTER.voters.entries()) {
    const note = NOTE.replace(LINES[at] ?? "", "");
    assert.equal(assertRefused("malformed", () => verifyGenesis(note)), id);
    assert.throws(() => verifyGenesis(note), { message: new RegExp(`${id} has not signed it`) });
  }
});

Deno.test("verifyGenesis() names the voter whose signature is wrong", () => {
  const other = signStatement(FOUNDERS, createStatement(FOUNDERS, 2));
  for (const { id } of ROSTER.voters) {
    const signatures = signStatement(FOUNDERS, STATEMENT);
    signatures.set(id, assertDefined(other.get(id), "no signature"));
    assert.equal(
      assertRefused("bad-signature", () => verifyGenesis(encodeGenesis(STATEMENT, signatures))),
      id,
    );
  }
});

Deno.test("verifyGenesis() refuses one voter's signature under another's name", () => {
  const signatures = signStatement(FOUNDERS, STATEMENT);
  const [one, two] = [nodeId(1), nodeId(2)];
  signatures.set(two, assertDefined(signatures.get(one), "no signature"));
  assert.equal(
    assertRefused("bad-signature", () => verifyGenesis(encodeGenesis(STATEMENT, signatures))),
    two,
  );
});

Deno.test("verifyGenesis() refuses a signature line with another key's id", () => {
  const [line = ""] = LINES;
  const parsed = parseSignatureLine(line);
  const otherId = keyId(parsed.name, STATEMENT.publicKey);
  const forged = NOTE.replace(
    line,
    line.replace(/ [^ ]+\n$/, ` ${Uint8Array.of(...otherId, ...parsed.signature).toBase64()}\n`),
  );
  assert.equal(assertRefused("bad-signature", () => verifyGenesis(forged)), nodeId(1));
});

Deno.test("verifyGenesis() looks at no point of a group that not all have signed", () => {
  const forged = { ...STATEMENT, publicKey: new Uint8Array(32).fill(2) };
  const note = NOTE.replace(encodeGenesisStatement(STATEMENT), encodeGenesisStatement(forged));
  assert.notEqual(note, NOTE);
  assertRefused("bad-signature", () => verifyGenesis(note));
});

for (
  const [what, change] of [
    ["another group key", { publicKey: createStatement(FOUNDERS, 2).publicKey }],
    ["a group key that is no point", { publicKey: new Uint8Array(32).fill(2) }],
    ["a group key that is the identity", { publicKey: new Uint8Array(32).with(0, 1) }],
    ["verifying shares in another order", { voters: swapShares(STATEMENT) }],
    ["shares of which two cannot sign", createStatement(createFounders(3, 3))],
  ] as const
) {
  Deno.test(`verifyGenesis() refuses ${what}, though signed by all`, () => {
    const note = certifyGenesis(FOUNDERS, { ...STATEMENT, ...change, threshold: 2 });
    assertRefused("bad-group", () => verifyGenesis(note));
  });
}

for (
  const [what, change] of [
    ["cluster", { cluster: toClusterName("floe-other") }],
    ["epoch", { epoch: toEpoch(2) }],
    ["threshold", { threshold: 3 }],
    ["order of voters", { voters: ROSTER.voters.toReversed() }],
    ["number of voters", { voters: ROSTER.voters.slice(0, 2) }],
    ["voter's id", { voters: ROSTER.voters.with(0, { ...voter(0), id: nodeId(9) }) }],
    [
      "voter's identity key",
      { voters: ROSTER.voters.with(0, { ...voter(0), identityKey: STATEMENT.publicKey }) },
    ],
  ] as const
) {
  Deno.test(`verifyGenesis() refuses another ${what} than expected`, () => {
    assertRefused("wrong-roster", () => verifyGenesis(NOTE, { ...ROSTER, ...change }));
  });
}

function voter(at: number) {
  return assertDefined(ROSTER.voters[at], "no voter");
}

function swapShares({ voters }: GenesisStatement): GenesisStatement["voters"] {
  const shares = voters.map(({ verifyingShare }) => verifyingShare).reverse();
  return voters.map((each, at) => {
    return { ...each, verifyingShare: assertDefined(shares[at], "no share") };
  });
}

Deno.test("verifyGenesis() checks the roster of what it is given", () => {
  const [first] = STATEMENT.voters;
  assert.ok(first);
  const statement = { ...STATEMENT, voters: STATEMENT.voters.with(1, { ...first, identifier: 2 }) };
  const note = certifyGenesis(FOUNDERS, statement);
  assert.ok(note.startsWith(encodeGenesisStatement(statement)));
  assert.equal(assertRefused("bad-roster", () => verifyGenesis(note)), nodeId(1));
});
