import { deepEqual, equal, match } from "node:assert/strict";
import { encodeHex } from "../../lib/bytes.ts";
import { encodeVerifierKey } from "../../lib/certificate/mod.ts";
import { certifyGenesis, createFounders } from "../certificate/founders.ts";
import { identityKey, TestMemberships } from "../certificate/memberships.ts";
import { floe } from "./fake_terminal.ts";

/** server_4 joins, then takes server_3's place; server_1 gets another identity, then shares are refreshed. */
function changed(seed = 1): TestMemberships {
  const memberships = new TestMemberships(seed);
  memberships.amend(memberships.member(4, { role: "learner" }));
  memberships.reshare({ voters: [1, 2, 4] });
  memberships.amend(memberships.member(1, { identityKey: identityKey(77) }));
  memberships.reshare({ voters: [1, 2, 4], threshold: 3 });
  return memberships;
}

const OURS = changed();
const KEY = encodeVerifierKey(OURS.membership.cluster, OURS.membership.publicKey);
const ELECTION = OURS.elect(9, 4);
const NOTES = OURS.certificates.flatMap(({ byOld, byNew }) =>
  byNew === null ? [byOld] : [byOld, byNew]
);

/** Verifies files of these texts in one call, without a network and without a configuration. */
async function verify(files: readonly string[], args: readonly string[] = ["--key", KEY]) {
  const folder = await Deno.makeTempDir({ prefix: "floe-verify-" });
  try {
    const paths = files.map((_, at) => `${folder}/${at}`);
    for (const [at, text] of files.entries()) await Deno.writeTextFile(`${folder}/${at}`, text);
    const config = ["--config", `${folder}/cluster.json`];
    const outcome = await floe(["verify", ...paths, ...config, ...args], { env: {} });
    equal(outcome.requests.length, 0);
    return { ...outcome, stderr: outcome.stderr.replaceAll(folder, "") };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("verify follows genesis, memberships and elections under one key, in one call", async () => {
  const elections = [OURS.elect(1, 3, 1), OURS.elect(5, 4, 2), ELECTION];
  const { code, stdout, stderr } = await verify([...elections, OURS.notes, OURS.genesis]);
  deepEqual([code, stderr], [0, ""]);
  match(stdout, /^genesis +valid, and named by membership 1$/m);
  match(
    stdout,
    new RegExp(
      "^MEMBERSHIP  EPOCH  MUST SIGN  CHANGE\n" +
        "1           1      2 of 3     server_4 joins as a learner\n" +
        "2           2      2 of 3     server_4 votes; server_3 leaves\n" +
        "3           2      2 of 3     server_1: new identity key\n" +
        "4           3      3 of 3     3 must sign, not 2\n$",
      "m",
    ),
  );
  match(stdout, new RegExp(`^server_1 +voter +${encodeHex(identityKey(77))}$`, "m"));
  match(stdout, /^1 +server_3 +1 +42 6 +voter of that epoch$/m);
  match(stdout, /^9 +server_4 +3 +42 6 +voter of that epoch$/m);
  match(stdout, /^certificates +valid, all 3; no term has two leaders$/m);
});

Deno.test("verify takes the notes in any order, in one file or many, and twice", async () => {
  const all = [OURS.genesis, ...NOTES, ELECTION];
  const outcomes = await Promise.all([
    verify(all),
    verify([all.toReversed().join("\n")]),
    verify([...all, ...all]),
  ]);
  const [first] = outcomes;
  for (const { code, stdout } of outcomes) deepEqual([code, stdout], [0, first?.stdout]);
  match(String(first?.stdout), /^voter of +epoch 3, which membership 4 began$/m);
});

Deno.test("verify -o json prints the whole chain as one document", async () => {
  const files = [OURS.genesis, OURS.notes, ELECTION];
  const shown = JSON.parse((await verify(files, ["--key", KEY, "-o", "json"])).stdout);
  deepEqual([shown.valid, shown.genesis.config], [true, null]);
  const sequences = shown.memberships.map(({ sequence, epoch }: Record<string, number>) => [
    sequence,
    epoch,
  ]);
  deepEqual(sequences, [[1, 1], [2, 2], [3, 2], [4, 3]]);
  deepEqual(shown.memberships[0].members[3], {
    id: "server_4",
    role: "learner",
    identityKey: encodeHex(identityKey(104)),
    hasShare: false,
    peer: "10.0.0.4:7101",
    api: "10.0.0.4:7201",
  });
  const [election] = shown.elections;
  deepEqual([election.term, election.leader, election.membership], [9, "server_4", 4]);
});

Deno.test("verify begins in the middle of a chain where the key alone is at hand", async () => {
  const { code, stdout } = await verify([NOTES.slice(1).join(""), ELECTION]);
  equal(code, 0);
  match(stdout, /^2 +2 +2 of 3 +3 members, those before not at hand$/m);
  match(stdout, /^3 +2 +2 of 3 +server_1: new identity key$/m);
});

Deno.test("verify tells of an election of an epoch that the notes do not reach", async () => {
  const [first = ""] = NOTES;
  const { code, stdout } = await verify([OURS.genesis, first, OURS.elect(1, 1, 1), ELECTION]);
  equal(code, 0);
  match(stdout, /^9 +server_4 +3 +42 6 +not in these files$/m);
});

Deno.test("verify refuses a leader that is no voter of its epoch", async () => {
  for (const [leader, epoch] of [[3, 2], [4, 1], [9, 3]] as const) {
    const { code, stdout, stderr } = await verify([
      OURS.genesis,
      OURS.notes,
      OURS.elect(20, leader, epoch),
    ]);
    deepEqual([code, stdout], [7, ""]);
    match(stderr, new RegExp(`^floe: /2: .* its leader server_${leader} is no voter of epoch`));
  }
});

Deno.test("verify refuses two leaders of one term, whatever their epochs", async () => {
  const { code, stderr } = await verify([OURS.elect(9, 1, 2), ELECTION]);
  equal(code, 7);
  match(
    stderr,
    /The group key signed server_1 and server_4 as leaders of term 9: more voters lied/,
  );
});

Deno.test("verify refuses each note of a chain with a byte changed", async () => {
  for (const [at, note] of NOTES.entries()) {
    const place = note.indexOf("10.0.0.1");
    const lie = `${note.slice(0, place)}2${note.slice(place + 1)}`;
    const notes = NOTES.map((other, index) => index === at ? lie : other);
    const { code, stdout, stderr } = await verify([OURS.genesis, notes.join("")]);
    deepEqual([at, code, stdout], [at, 7, ""]);
    match(stderr, /^floe: \/1: Cannot accept membership: the signature is not the group key's\n$/);
  }
});

Deno.test("verify names the membership that is missing, and the signature", async () => {
  const gap = await verify([OURS.genesis, NOTES.filter((_, at) => at !== 3).join("")]);
  equal(gap.code, 7);
  match(gap.stderr, /^floe: \/1: Cannot follow membership 4: number 3 is in none of the files\./);
  const half = await verify([OURS.genesis, NOTES.filter((_, at) => at !== 2).join("")]);
  equal(half.code, 7);
  match(half.stderr, /membership 2: the signature by epoch 2 is in none of the files/);
  const old = await verify([OURS.genesis, NOTES.filter((_, at) => at !== 1).join("")]);
  deepEqual([old.code, old.stdout], [7, ""]);
  match(old.stderr, /it is by epoch 2, not 1/);
});

Deno.test("verify refuses a genesis of another key, and one that no membership names", async () => {
  const other = await verify([new TestMemberships(2).genesis, OURS.notes]);
  equal(other.code, 7);
  match(other.stderr, /^floe: \/0: Cannot accept genesis certificate: it is of another group key/);
  // Anybody can write a genesis of a key that is public.
  const statement = { ...OURS.statement, transcriptHash: new Uint8Array(32) };
  const forged = await verify([certifyGenesis(createFounders(2, 3), statement), OURS.notes]);
  equal(forged.code, 7);
  match(forged.stderr, /^floe: \/1: Cannot accept membership: it does not follow statement 0/);
});

Deno.test("verify refuses memberships of another key, and two of one place", async () => {
  const theirs = changed(2);
  const foreign = await verify([OURS.genesis, theirs.notes]);
  equal(foreign.code, 7);
  match(
    foreign.stderr,
    /^floe: \/1: Cannot accept membership: it is signed with another group key/,
  );
  const fork = new TestMemberships();
  fork.amend(fork.member(5, { role: "learner" }));
  const forked = await verify([OURS.genesis, OURS.notes, fork.notes]);
  equal(forked.code, 7);
  match(forked.stderr, /^floe: \/2: Cannot accept a second membership 1: .* more voters lied/);
});

Deno.test("verify asks for a key, or for the configuration, where nothing vouches for the notes", async () => {
  const keyless = await verify([OURS.notes], []);
  equal(keyless.code, 2);
  match(keyless.stderr, /name it with --key, or give the file with the genesis certificate/);
  const genesis = await verify([OURS.genesis]);
  deepEqual([genesis.code, genesis.stdout], [2, ""]);
  match(genesis.stderr, /cluster\.json: 1 fault\n {2}no such file/);
});

Deno.test("verify says what a membership is for that changes nobody", async () => {
  const quiet = new TestMemberships();
  quiet.amend();
  quiet.reshare({ voters: [1, 2, 3] });
  const { code, stdout } = await verify([quiet.genesis, quiet.notes]);
  equal(code, 0);
  match(stdout, /^1 +1 +2 of 3 +addresses and channel keys are stated$/m);
  match(stdout, /^2 +2 +2 of 3 +new shares for all voters$/m);
});

Deno.test("verify reads standard input once", async () => {
  const { code, stderr } = await floe(["verify", "-", "-", "--key", KEY], { stdin: ELECTION });
  deepEqual([code, stderr], [2, "floe: Only one file can come from standard input\n"]);
});
