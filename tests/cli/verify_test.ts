import { deepEqual, equal, match } from "node:assert/strict";
import { generateKeyPairSync, sign } from "node:crypto";
import { encodeStatement } from "../../lib/certificate/election.ts";
import { encodePem, encodeVerifierKey, keyId } from "../../lib/certificate/group_key.ts";
import { encodeSignedNote } from "../../lib/certificate/signed_note.ts";
import { toClusterName, toEpoch, toLogIndex, toNodeId, toTerm } from "../../lib/types.ts";
import { NOTES_BYTES_MAX } from "../../lib/cli/audit/notes.ts";
import { floe, type Surroundings } from "./fake_terminal.ts";

const cluster = toClusterName("floe-test");
// One plain Ed25519 key: what t voters make together is an ordinary signature under such a key.
const { publicKey: keyObject, privateKey } = generateKeyPairSync("ed25519");
const publicKey = new Uint8Array(keyObject.export({ format: "der", type: "spki" }).subarray(-32));
const hex = publicKey.toHex();
const verifierKey = encodeVerifierKey(cluster, publicKey);

const statement = encodeStatement({
  cluster,
  epoch: toEpoch(1),
  term: toTerm(7),
  leader: toNodeId("server_1"),
  lastLogIndex: toLogIndex(70),
  lastLogTerm: toTerm(6),
});
const note = noteOf(statement);

function noteOf(text: string): string {
  const signature = new Uint8Array(sign(null, new TextEncoder().encode(text), privateKey));
  return encodeSignedNote({ text, name: cluster, keyId: keyId(cluster, publicKey), signature });
}

/** Runs without any way to reach a network or an environment. */
function verify(args: readonly string[], stdin: Surroundings["stdin"] = note) {
  return floe(["verify", ...args], { stdin, env: {} });
}

async function withFile(content: string, use: (path: string) => Promise<void>): Promise<void> {
  const path = await Deno.makeTempFile();
  await Deno.writeTextFile(path, content);
  await use(path);
  await Deno.remove(path);
}

Deno.test("verify prints what a valid certificate certifies", async () => {
  const outcome = await verify(["-", "--key", verifierKey]);
  deepEqual([outcome.code, outcome.stderr, outcome.requests.length], [0, "", 0]);
  equal(
    outcome.stdout,
    `certificate  valid
cluster      floe-test
term         7
leader       server_1
epoch        1
log index    70
log term     6
`,
  );
});

Deno.test("verify -o json prints the same as data", async () => {
  const { code, stdout } = await verify(["-", "--key", hex, "-o", "json"]);
  equal(code, 0);
  deepEqual(JSON.parse(stdout), {
    valid: true,
    genesis: null,
    memberships: [],
    elections: [{
      cluster: "floe-test",
      epoch: 1,
      term: 7,
      leader: "server_1",
      lastLogIndex: 70,
      lastLogTerm: 6,
      membership: null,
    }],
  });
});

Deno.test("verify takes the key as hex, verifier key, PEM or a file with any of them", async () => {
  for (const inline of [hex, hex.toUpperCase(), verifierKey, encodePem(publicKey)]) {
    equal((await verify(["-", "--key", inline])).code, 0);
  }
  for (const content of [encodePem(publicKey), `${hex}\n`, `${verifierKey}\n`]) {
    await withFile(content, async (path) => equal((await verify(["-", "--key", path])).code, 0));
  }
});

Deno.test("verify reads the note from a file", async () => {
  await withFile(note, async (path) => equal((await verify([path, "--key", hex])).code, 0));
});

Deno.test("verify refuses a note with any byte changed", async () => {
  const bytes = new TextEncoder().encode(note);
  for (let offset = 0; offset < bytes.length; offset++) {
    const changed = bytes.slice();
    changed[offset] = (changed[offset] ?? 0) ^ 1;
    const { code, stdout } = await verify(["-", "--key", hex], changed);
    deepEqual([offset, code, stdout], [offset, 7, ""]);
  }
});

const NO_NOTES: readonly (readonly [
  what: string,
  stdin: string | Uint8Array<ArrayBuffer>,
  code?: number,
])[] = [
  ["an empty file", "", 2],
  ["a text without a signature", statement],
  ["other line ends", note.replaceAll("\n", "\r\n")],
  ["half a note", note.slice(0, -20)],
  ["two notes on one line", note.trimEnd() + note],
  ["bytes that are not UTF-8", new Uint8Array([0xff, 0xfe]), 2],
  ["a signed text that is no statement", noteOf("hello\n")],
];
for (const [what, stdin, code = 7] of NO_NOTES) {
  Deno.test(`verify refuses ${what} with ${code} and says what a certificate is`, async () => {
    const outcome = await verify(["-", "--key", hex], stdin);
    deepEqual([outcome.code, outcome.stdout], [code, ""]);
    match(outcome.stderr, /^floe: standard input: Cannot read /);
    match(
      outcome.stderr,
      /A certificate is what `floe leader --cert`, `floe group --genesis` or `floe group --memberships` prints, byte for byte\.\n$/,
    );
  });
}

Deno.test("verify accepts a note whose last newline is missing or doubled", async () => {
  for (const changed of [note.trimEnd(), `${note}\n`, `${note}\n\n`]) {
    equal((await verify(["-", "--key", hex], changed)).code, 0);
  }
  for (const changed of [`${note} `, `\n${note}`, note.replace("\n\n", "\n\n\n")]) {
    equal((await verify(["-", "--key", hex], changed)).code, 7);
  }
});

Deno.test("verify names line ends of Windows", async () => {
  const { stderr } = await verify(["-", "--key", hex], note.replaceAll("\n", "\r\n"));
  match(stderr, /^floe: standard input: Cannot read note: its lines end in CRLF/);
});

Deno.test("verify refuses what is too large to be a note", async () => {
  const outcome = await verify(["-", "--key", hex], note.replace("log", `${"x".repeat(1024)}log`));
  equal(outcome.code, 7);
  match(outcome.stderr, /standard input: Cannot read signed note: length [0-9]+ is above 1024/);
  const endless = await verify(["-", "--key", hex], new Uint8Array(NOTES_BYTES_MAX + 1));
  equal(endless.code, 7);
  match(endless.stderr, /standard input: it holds more than 67108864 bytes/);
});

Deno.test("verify refuses a certificate of another group key or another cluster", async () => {
  const other = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
  const foreign = await verify(["-", "--key", other]);
  equal(foreign.code, 7);
  equal(
    foreign.stderr,
    "floe: standard input: Cannot accept certificate: it is signed with another group key\n",
  );
  const elsewhere = encodeVerifierKey(toClusterName("another"), publicKey);
  const renamed = await verify(["-", "--key", elsewhere]);
  equal(renamed.code, 7);
  match(renamed.stderr, /cluster floe-test is not another/);
});

const BAD_KEYS = [
  ["abc", /neither 64 hex digits, a verifier key nor PEM, .* there is no such file/],
  [hex.slice(2), /there is no such file/],
  ["00".repeat(32), /--key: /],
  [verifierKey.replace("floe-test", "another"), /a verifier key whose id is not/],
  [encodePem(publicKey).replace("END", "BEGIN"), /--key: .*PEM without its first or last line/],
  ["-----BEGIN CERTIFICATE-----", /--key: .*nor PEM/],
  ["-", /standard input is for notes/],
  [".", /it is a folder/],
] as const;
for (const [key, stderr] of BAD_KEYS) {
  Deno.test(`verify --key ${key.slice(0, 16)} is a usage error`, async () => {
    const outcome = await verify(["-", `--key=${key}`]);
    deepEqual([outcome.code, outcome.stdout], [2, ""]);
    match(outcome.stderr, stderr);
  });
}

Deno.test("verify refuses to go on without a key, or without the file", async () => {
  const keyless = await verify(["-"]);
  equal(keyless.code, 2);
  match(
    keyless.stderr,
    /checked against the group key: name it with --key, or give the file with the genesis/,
  );
  const missing = await verify(["/no/such/note", "--key", hex]);
  deepEqual([missing.code, missing.stderr], [
    2,
    "floe: Cannot read /no/such/note: there is no such file\n",
  ]);
});
