/**
 * What verifies without Floe: the npm package under Node, and the examples in Go, in Python and with OpenSSL. Each
 * must take what the cluster signed, and refuse each forgery.
 *
 * @module
 */

import { equal, match } from "node:assert/strict";
import { encodeHex } from "../lib/bytes.ts";
import { encodeGenesisStatement } from "../lib/certificate/mod.ts";
import { writeVerifier } from "../scripts/verifier.ts";
import { TestMemberships } from "./certificate/memberships.ts";

const EXAMPLES = new URL("../examples/verify/", import.meta.url).pathname;

/** What a program is asked to verify: a key, a note, and a chain if there is one. */
interface Case {
  readonly what: string;
  readonly note: string;
  readonly key?: string;
  readonly chain?: unknown;
}

const GROWN = grow();
const KEY = encodeHex(GROWN.membership.publicKey);
const NOTE = GROWN.elect(7, 2);
const FOUNDING = encodeGenesisStatement(GROWN.statement);
const [FIRST, SECOND] = GROWN.certificates;
const CHAIN = { genesis: GROWN.genesis, founding: FOUNDING, memberships: [FIRST, SECOND] };

function grow(): TestMemberships {
  const grown = new TestMemberships();
  grown.amend(...[1, 2, 3].map((identifier) => grown.member(identifier)));
  grown.reshare({ voters: [1, 2, 4] });
  return grown;
}

const GENUINE: readonly Case[] = [
  { what: "a leader", note: NOTE },
  { what: "a leader and the chain", note: NOTE, chain: CHAIN },
  { what: "a leader of an epoch before", note: GROWN.elect(6, 3, 1), chain: CHAIN },
];

const other = new TestMemberships(2);
const links = (...memberships: readonly unknown[]) => ({ ...CHAIN, memberships });

const FORGED: readonly Case[] = [
  { what: "another leader", note: NOTE.replace("leader server_2", "leader server_1") },
  { what: "another term", note: NOTE.replace("term 7", "term 8") },
  { what: "another signature", note: changeSignature(NOTE) },
  { what: "another key", note: NOTE, key: encodeHex(other.membership.publicKey) },
  { what: "another cluster's signature", note: other.elect(7, 2) },
  { what: "another name", note: NOTE.replace("\u2014 floe-test", "\u2014 floe-other") },
  { what: "a membership as an election", note: FIRST?.byOld ?? "" },
  { what: "two signatures", note: NOTE + NOTE.slice(NOTE.indexOf("\u2014")) },
  { what: "lines of Windows", note: NOTE.replaceAll("\n", "\r\n") },
  { what: "no note", note: "hello\n" },
  { what: "a leader that had left", note: GROWN.elect(8, 3), chain: CHAIN },
  { what: "an epoch that is not in the chain", note: GROWN.elect(8, 2), chain: links(FIRST) },
  { what: "an empty chain", note: GROWN.elect(6, 2, 1), chain: links() },
  { what: "a chain with a link missing", note: NOTE, chain: links(SECOND) },
  { what: "a chain in the wrong order", note: NOTE, chain: links(SECOND, FIRST) },
  {
    what: "a new epoch that did not sign",
    note: NOTE,
    chain: links(FIRST, { ...SECOND, byNew: null }),
  },
  {
    what: "an old epoch that did not sign",
    note: NOTE,
    chain: links(FIRST, { ...SECOND, byOld: SECOND?.byNew }),
  },
  {
    what: "a member that was changed",
    note: NOTE,
    chain: links(FIRST, { ...SECOND, byOld: SECOND?.byOld.replace("server_4", "server_5") }),
  },
  {
    what: "another founding text",
    note: NOTE,
    chain: { ...CHAIN, founding: encodeGenesisStatement(other.statement) },
  },
];

/** Changes the signature's last byte but two, which leaves the base64 canonical. */
function changeSignature(note: string): string {
  const at = note.length - 5;
  return note.slice(0, at) + (note[at] === "A" ? "B" : "A") + note.slice(at + 1);
}

/** Holds a program to all cases. It is started with a key, a note's file, and a chain's file. */
async function judge(folder: string, command: readonly string[]): Promise<void> {
  for (const one of GENUINE) {
    const { code, stdout, stderr } = await run(folder, command, one);
    equal(code, 0, `${one.what}: ${stderr}`);
    match(stdout, /^server_[23] leads term [67] of floe-test\n$/, one.what);
  }
  for (const one of FORGED) {
    const { code, stdout, stderr } = await run(folder, command, one);
    equal(code, 1, `${one.what} is accepted: ${stdout}${stderr}`);
    match(stderr, /^refused: /, one.what);
    equal(stdout, "", one.what);
  }
}

async function run(folder: string, [program = "", ...args]: readonly string[], one: Case) {
  const files = [`${folder}/leader.note`, `${folder}/chain.json`] as const;
  await Deno.writeTextFile(files[0], one.note);
  await Deno.writeTextFile(files[1], JSON.stringify(one.chain ?? null));
  const given = [one.key ?? KEY, files[0], ...(one.chain === undefined ? [] : [files[1]])];
  const output = await new Deno.Command(program, { args: [...args, ...given] }).output();
  const decoder = new TextDecoder();
  return {
    code: output.code,
    stdout: decoder.decode(output.stdout),
    stderr: decoder.decode(output.stderr),
  };
}

function has(program: string, ...args: readonly string[]): boolean {
  try {
    return new Deno.Command(program, { args: [...args], stdout: "null", stderr: "null" })
      .outputSync().success;
  } catch {
    return false;
  }
}

/** A test in a folder of its own, which is skipped where a program is missing. */
function test(name: string, isHere: boolean, check: (folder: string) => Promise<void>): void {
  Deno.test({
    name,
    ignore: !isHere,
    async fn() {
      const folder = await Deno.makeTempDir();
      try {
        await check(folder);
      } finally {
        await Deno.remove(folder, { recursive: true });
      }
    },
  });
}

/** The same program as the examples, with the package. */
const NODE_PROGRAM = `
import { readFileSync } from "node:fs";
import { parseGroupKey, VerificationError, verifyCertificate, verifyMembershipChain } from "@floe/verify";
const [key, note, chain] = process.argv.slice(2);
try {
  const { leader, term, cluster, epoch } = await verifyCertificate(readFileSync(note, "utf8"), parseGroupKey(key));
  if (chain !== undefined) {
    const memberships = await verifyMembershipChain(JSON.parse(readFileSync(chain)), parseGroupKey(key));
    const members = memberships.findLast((one) => one.epoch === epoch)?.members ?? [];
    if (!members.some(({ id, role }) => id === leader && role === "voter")) {
      throw new VerificationError("wrong-leader", "no voter of its epoch");
    }
  }
  console.log(\`\${leader} leads term \${term} of \${cluster}\`);
} catch (error) {
  if (!(error instanceof VerificationError)) throw error;
  console.error(\`refused: \${error.message}\`);
  process.exit(1);
}
`;

test("the npm package verifies under Node", has("node", "--version"), async (folder) => {
  await writeVerifier(`${folder}/node_modules/@floe/verify`);
  await Deno.writeTextFile(`${folder}/program.mjs`, NODE_PROGRAM);
  await judge(folder, ["node", "--no-warnings", `${folder}/program.mjs`]);
});

test("examples/verify/verify.go verifies", has("go", "version"), async (folder) => {
  const args = ["build", "-o", `${folder}/verify`, `${EXAMPLES}verify.go`];
  const { success, stderr } = await new Deno.Command("go", { args, cwd: folder }).output();
  equal(success, true, new TextDecoder().decode(stderr));
  await judge(folder, [`${folder}/verify`]);
});

test("examples/verify/verify.py verifies", has("python3", "--version"), async (folder) => {
  await judge(folder, ["python3", `${EXAMPLES}verify.py`]);
});

const hasOpenssl = has("openssl", "version") && has("jq", "--version") && has("bash", "--version");
test("examples/verify/verify.sh verifies", hasOpenssl, async (folder) => {
  await judge(folder, ["bash", `${EXAMPLES}verify.sh`]);
});
