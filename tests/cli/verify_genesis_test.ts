import { deepEqual, equal, match } from "node:assert/strict";
import { assertDefined } from "../../lib/assert.ts";
import { encodeHex } from "../../lib/bytes.ts";
import { toGroupPublicKeys } from "../../lib/certificate/frost_certifier.ts";
import {
  encodeGenesis,
  type GenesisRoster,
  toGenesisStatement,
  voterKeyName,
} from "../../lib/certificate/genesis.ts";
import { encodeVerifierKey } from "../../lib/certificate/group_key.ts";
import { formatClusterConfig, generateLocalCluster } from "../../lib/config/cluster_config.ts";
import { toPrivateKey, toRawPublicKey } from "../../lib/native_key.ts";
import { toClusterName } from "../../lib/types.ts";
import { createTestCluster } from "../certificate/cluster.ts";
import { certify } from "../certificate/election.ts";
import { certifyGenesis, createFounders, signStatement } from "../certificate/founders.ts";
import { seededBytes } from "../frost/seeded_bytes.ts";
import { floe } from "./fake_terminal.ts";

/** A cluster with a real key, whose nodes founded it: all that an auditor may be handed. */
function found(seed: number) {
  const { group, certifiers } = createTestCluster({ threshold: 2, voters: 3, seed });
  const founders = createFounders(2, 3, seed);
  const publicKeys = toGroupPublicKeys(group);
  const statement = toGenesisStatement(founders.roster, publicKeys, seededBytes(seed)(32));
  return {
    founders,
    statement,
    genesis: certifyGenesis(founders, statement),
    election: certify(certifiers, [0, 2]),
    key: encodeVerifierKey(group.cluster, group.publicKey),
    publicKey: encodeHex(group.publicKey),
  };
}

const OURS = found(1);
const THEIRS = found(2);

/** The `cluster.json` that pins a roster's identity keys, or none at all. */
function configOf(roster: GenesisRoster, { pinned = true } = {}): string {
  const { cluster, threshold, voters } = roster;
  const config = generateLocalCluster({ nodes: voters.length });
  const peers = config.peers.map((peer, at) => {
    const { id, identityKey } = assertDefined(voters[at], "no voter");
    const channelKey = toRawPublicKey(toPrivateKey("x25519", seededBytes(at)(32)));
    return { ...peer, id, ...(pinned ? { keys: { signingKey: identityKey, channelKey } } : {}) };
  });
  return formatClusterConfig({ ...config, cluster, threshold, peers });
}

const CONFIG = configOf(OURS.founders.roster);

interface Surroundings {
  /** Beside the configuration; `@config` and `@genesis` name the files below. */
  readonly args?: readonly string[];
  readonly config?: string;
  readonly genesis?: string;
}

/** Runs `verify -` on a note, without any network. */
async function verify(note: string | Uint8Array<ArrayBuffer>, surroundings: Surroundings = {}) {
  const folder = await Deno.makeTempDir({ prefix: "floe-verify-" });
  try {
    const { args = [], config = CONFIG, genesis = OURS.genesis } = surroundings;
    await Deno.writeTextFile(`${folder}/config`, config);
    await Deno.writeTextFile(`${folder}/genesis`, genesis);
    const named = args.map((arg) => arg.replace(/^@/, `${folder}/`));
    const all = ["verify", "-", "--config", `${folder}/config`, ...named];
    const outcome = await floe(all, { stdin: note, env: {} });
    const clean = (text: string) => text.replaceAll(folder, "");
    return { ...outcome, stdout: clean(outcome.stdout), stderr: clean(outcome.stderr) };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("verify accepts a genesis that every node of the configuration signed", async () => {
  const { code, stdout, stderr, requests } = await verify(OURS.genesis);
  deepEqual([code, stderr, requests.length], [0, "", 0]);
  const [first, second, third] = OURS.founders.roster.voters.map((voter) =>
    encodeHex(voter.identityKey)
  );
  equal(
    stdout,
    `SIGNED BY  IDENTITY KEY
server_1   ${first}
server_2   ${second}
server_3   ${third}

genesis       valid, signed by all 3 nodes of /config
cluster       floe-test
epoch         1
must sign     2 of 3
group key     ${OURS.publicKey}
verifier key  ${OURS.key}
transcript    ${encodeHex(OURS.statement.transcriptHash)}
`,
  );
});

Deno.test("verify shows the chain from the operators' keys to the leader, offline", async () => {
  const { code, stdout, stderr, requests } = await verify(OURS.election, {
    args: ["@genesis"],
  });
  deepEqual([code, stderr, requests.length], [0, "", 0]);
  const links = [
    /^genesis +valid, signed by all 3 nodes of \/config$/m,
    new RegExp(`^group key +${OURS.publicKey}$`, "m"),
    /^certificate +valid$/m,
    /^leader +server_1$/m,
  ];
  const places = links.map((link) => stdout.search(link));
  deepEqual(places, places.filter((place) => place >= 0).toSorted((left, right) => left - right));
});

Deno.test("verify -o json prints a genesis, and a chain, as data", async () => {
  const alone = JSON.parse((await verify(OURS.genesis, { args: ["-o", "json"] })).stdout);
  deepEqual([alone.valid, alone.memberships, alone.elections], [true, [], []]);
  const { voters, ...rest } = alone.genesis;
  deepEqual(rest, {
    cluster: "floe-test",
    epoch: 1,
    threshold: 2,
    publicKey: OURS.publicKey,
    verifierKey: OURS.key,
    transcriptHash: encodeHex(OURS.statement.transcriptHash),
    config: rest.config,
  });
  equal(voters.length, 3);
  equal(Object.keys(voters[0]).join(), "id,identityKey");
  const chain = JSON.parse(
    (await verify(OURS.election, { args: ["@genesis", "-o", "json"] })).stdout,
  );
  const [election] = chain.elections;
  deepEqual([election.leader, election.term, election.membership], ["server_1", 7, 0]);
  deepEqual([chain.genesis.publicKey, chain.genesis.threshold], [OURS.publicKey, 2]);
});

Deno.test("verify takes a key beside a genesis, and holds one against the other", async () => {
  equal((await verify(OURS.genesis, { args: ["--key", OURS.key] })).code, 0);
  equal(
    (await verify(OURS.election, { args: ["@genesis", "--key", OURS.key] })).code,
    0,
  );
  for (
    const [note, args] of [[OURS.genesis, []], [OURS.election, ["@genesis"]]] as const
  ) {
    const { code, stdout, stderr } = await verify(note, { args: [...args, "--key", THEIRS.key] });
    deepEqual([code, stdout], [7, ""]);
    match(stderr, /Cannot accept genesis certificate: it is of another group key than --key/);
  }
});

Deno.test("verify refuses a genesis with any one byte changed", async () => {
  const bytes = new TextEncoder().encode(OURS.genesis);
  for (let offset = 0; offset < bytes.length; offset += 7) {
    const changed = bytes.slice();
    changed[offset] = (changed[offset] ?? 0) ^ 1;
    const { code, stdout } = await verify(changed);
    deepEqual([offset, code, stdout], [offset, 7, ""]);
  }
});

Deno.test("verify refuses a genesis without the signature of one node, and names it", async () => {
  const line = new RegExp(
    `\\u2014 ${voterKeyName(toClusterName("floe-test"), nodeTwo())} [^\\n]*\\n`,
  );
  const { code, stderr } = await verify(OURS.genesis.replace(line, ""));
  equal(code, 7);
  match(
    stderr,
    /^floe: standard input: Cannot accept genesis certificate: server_2 has not signed/,
  );
});

Deno.test("verify refuses a genesis that one node did not sign itself, and names it", async () => {
  const signatures = signStatement(OURS.founders, OURS.statement);
  const theirs = signStatement(THEIRS.founders, OURS.statement);
  signatures.set(nodeTwo(), assertDefined(theirs.get(nodeTwo()), "no signature"));
  const { code, stderr } = await verify(encodeGenesis(OURS.statement, signatures));
  equal(code, 7);
  match(stderr, /the signature is not server_2's\n$/);
});

function nodeTwo() {
  return assertDefined(OURS.founders.roster.voters[1], "no second voter").id;
}

const { roster } = OURS.founders;
const OTHER_ROSTERS = [
  [
    "cluster",
    { ...roster, cluster: toClusterName("another") },
    /its cluster is floe-test, not another/,
  ],
  ["threshold", { ...roster, threshold: 3 }, /its threshold is 2, not 3/],
  [
    "order of nodes",
    { ...roster, voters: roster.voters.toReversed() },
    /voter 1 is server_1, not server_3/,
  ],
  ["set of nodes", { ...roster, voters: roster.voters.slice(0, 2) }, /it has 3 voters, not 2/],
  ["set of identity keys", THEIRS.founders.roster, /server_1 has another identity key in it/],
] as const;
for (const [what, other, message] of OTHER_ROSTERS) {
  Deno.test(`verify refuses a genesis where the configuration has another ${what}`, async () => {
    for (
      const [note, args] of [[OURS.genesis, []], [OURS.election, ["@genesis"]]] as const
    ) {
      const { code, stdout, stderr } = await verify(note, { args, config: configOf(other) });
      deepEqual([code, stdout], [7, ""]);
      match(stderr, message);
    }
  });
}

Deno.test("verify refuses an election by another key than the genesis tells of", async () => {
  const { code, stdout, stderr } = await verify(THEIRS.election, {
    args: ["@genesis"],
  });
  deepEqual([code, stdout], [7, ""]);
  match(stderr, /^floe: standard input: .* it is signed with another group key\n$/);
});

const MISUSES = [
  [OURS.election, ["@absent"], {}, /absent: there is no such file/],
  [OURS.genesis, ["--config", "@absent"], {}, /absent: 1 fault\n {2}no such file/],
  [
    OURS.genesis,
    [],
    { config: configOf(roster, { pinned: false }) },
    /it pins no keys\. Name the configuration that the nodes are started with \(--config FILE\)/,
  ],
] as const;
for (const [note, args, files, message] of MISUSES) {
  Deno.test(`verify says what is wrong with its arguments: ${message.source.slice(0, 40)}`, async () => {
    const { code, stdout, stderr } = await verify(note, { args, ...files });
    deepEqual([code, stdout], [2, ""]);
    match(stderr, message);
  });
}
