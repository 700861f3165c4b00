import { deepEqual, equal, match } from "node:assert/strict";
import { decodeHex } from "../../lib/bytes.ts";
import { encodeGenesisStatement, encodeVerifierKey } from "../../lib/certificate/mod.ts";
import type { PeerCardJson } from "../../lib/config/mod.ts";
import { TestMemberships } from "../certificate/memberships.ts";
import { FakeNode, openApp } from "../http/fake_node.ts";
import { floe, type Surroundings } from "./fake_terminal.ts";

/** A node that shows the chain of a cluster, whatever becomes of it. */
class ChainNode extends FakeNode {
  readonly #memberships: TestMemberships;

  constructor(memberships: TestMemberships) {
    super();
    this.#memberships = memberships;
  }

  override membershipChain() {
    const { genesis, statement, certificates: memberships } = this.#memberships;
    const founding = encodeGenesisStatement(statement);
    return { ...super.membershipChain(), genesis, founding, memberships };
  }
}

interface Joining {
  readonly memberships?: TestMemberships;
  readonly id?: string;
  readonly key?: string;
  /** Called with the card, once it is printed: what the operator does. */
  readonly onCard?: (card: PeerCardJson, memberships: TestMemberships) => void;
  readonly more?: Surroundings;
  readonly args?: readonly string[];
}

const { cluster, publicKey } = new TestMemberships().membership;
const KEY = encodeVerifierKey(cluster, publicKey);

/** Runs `floe join` in a new folder, up to what ends it. */
async function join(options: Joining = {}) {
  const { memberships = new TestMemberships(), id = "server_4", key = KEY, onCard } = options;
  const folder = await Deno.makeTempDir({ prefix: "floe-join-" });
  try {
    const onOutput = (text: string) => {
      if (text.startsWith("{")) onCard?.(JSON.parse(text), memberships);
    };
    const args = [
      "join",
      "--key",
      key,
      "--from",
      "a:1",
      "--id",
      id,
      "--data-dir",
      `${folder}/node`,
    ];
    const addresses = ["--peer", "10.0.0.4:7101", "--api", "10.0.0.4:7201"];
    const settings = ["--config", `${folder}/none.json`];
    const outcome = await floe([...args, ...addresses, ...settings, ...options.args ?? []], {
      hosts: { "a:1": new ChainNode(memberships) },
      env: {},
      onOutput,
      ...options.more,
    });
    const files = filesIn(`${folder}/node`);
    const written = files.includes("cluster.json")
      ? Deno.readTextFileSync(`${folder}/node/cluster.json`)
      : "";
    return { ...outcome, files, written, stderr: outcome.stderr.replaceAll(folder, "") };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function filesIn(folder: string): readonly string[] {
  try {
    return [...Deno.readDirSync(folder)].map(({ name }) => name).toSorted();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

/** An operator who adds the node, under keys of its own or other ones. */
function add(card: PeerCardJson, memberships: TestMemberships, change = {}): void {
  memberships.amend(memberships.member(4, {
    role: "learner",
    identityKey: decodeHex(card.signingKey),
    channelKey: decodeHex(card.channelKey),
    ...change,
  }));
}

Deno.test("join prints its card, and is interrupted before anybody has added it", async () => {
  const { code, stdout, stderr, files } = await join({ more: { stop: AbortSignal.abort() } });
  equal(code, 1);
  const card: PeerCardJson = JSON.parse(stdout);
  deepEqual([card.id, card.peer, card.api], ["server_4", "10.0.0.4:7101", "10.0.0.4:7201"]);
  match(stderr, /^Made \/node\/identity\.json: it is secret; do not share it\.\n/);
  match(stderr, /floe: Interrupted before server_4 was added\. The same command goes on\.\n$/);
  deepEqual(files.filter((name) => name.endsWith(".json")), ["identity.json"]);
});

Deno.test("join waits while the members are as they were, and while no node answers", async () => {
  const stop = new AbortController();
  const memberships = new TestMemberships();
  let asked = 0;
  const app = openApp(new ChainNode(memberships));
  const host = (request: Request) => {
    if (++asked === 6) stop.abort();
    return asked > 2 && asked < 5 ? new Response("busy", { status: 503 }) : app.fetch(request);
  };
  const more = { hosts: { "a:1": host }, stop: stop.signal };
  const { code, stderr } = await join({ memberships, more });
  equal(code, 1);
  match(stderr, /Waits until an operator adds server_4\./);
});

Deno.test("join writes what floe node needs, once it is a member, and says so", async () => {
  // An address at which nobody can listen ends the command where the node would begin.
  const { stderr, files } = await join({
    onCard: (card, memberships) => add(card, memberships, { peerAddress: "203.0.113.1:7101" }),
  });
  match(
    stderr,
    /^server_4 is a learner of floe-test, by membership 1, verified under the group key\.$/m,
  );
  match(
    stderr,
    /^From now on it is run by: floe node --id server_4 --config \/node\/cluster\.json --data-/m,
  );
  for (const file of ["cluster.json", "group.json", "identity.json", "share.json"]) {
    equal(files.includes(file), true, file);
  }
});

for (const full of ["identity.json", "cluster.json", "group.json", "share.json"]) {
  Deno.test(`join with a disk that is full at ${full} says what to do, and goes on later`, async () => {
    const folder = await Deno.makeTempDir({ prefix: "floe-join-" });
    const memberships = new TestMemberships();
    const onCard = (card: PeerCardJson, chain: TestMemberships) => {
      if (chain.membership.sequence > 0) return;
      add(card, chain, { peerAddress: "203.0.113.1:7101" });
    };
    const again = { memberships, onCard, args: ["--data-dir", `${folder}/node`] };
    try {
      const refused = await whileFull(full, () => join(again));
      equal(refused.code, 1);
      match(refused.stderr, /Cannot write .*No space left on device.*the space on its disk/s);
      equal(filesIn(`${folder}/node`).includes(full), false);
      const { stderr } = await join(again);
      match(stderr, /^server_4 is a learner of floe-test, by membership 1/m);
      equal(filesIn(`${folder}/node`).includes(full), true);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });
}

/** There is no room for this file. */
async function whileFull<Result>(file: string, work: () => Promise<Result>): Promise<Result> {
  const { renameSync } = Deno;
  Deno.renameSync = (from, to) => {
    if (String(to).endsWith(file)) throw new Error("No space left on device (os error 28)");
    renameSync(from, to);
  };
  try {
    return await work();
  } finally {
    Deno.renameSync = renameSync;
  }
}

Deno.test("join takes timing and log limits from the cluster, whatever is in --config", async () => {
  const memberships = new TestMemberships();
  const node = new ChainNode(memberships);
  const timing = { heartbeatMs: 77, electionTimeoutMs: 777, signingTimeoutMs: 177 };
  const log = { entriesMax: 1_234, bytesMax: 17_654_321 };
  node.chainNow = { ...node.chainNow, settings: { ...node.chainNow.settings, timing, log } };
  const { written } = await join({
    memberships,
    onCard: (card) => add(card, memberships, { peerAddress: "203.0.113.1:7101" }),
    more: { hosts: { "a:1": node } },
  });
  const config = JSON.parse(written);
  deepEqual([config.timing, config.log], [timing, log]);
});

Deno.test("join refuses nodes that differ in their timing, and says which", async () => {
  const memberships = new TestMemberships();
  const [one, other] = [new ChainNode(memberships), new ChainNode(memberships)];
  const { settings } = one.chainNow;
  const timing = { ...settings.timing, electionTimeoutMs: 900 };
  other.chainNow = { ...other.chainNow, settings: { ...settings, timing } };
  const { code, stderr, files } = await join({
    memberships,
    args: ["--from", "a:1,b:1"],
    onCard: (card) => add(card, memberships),
    more: { hosts: { "a:1": one, "b:1": other } },
  });
  equal(code, 4, stderr);
  match(stderr, /the nodes in --from have different settings\. b:1 has .*"electionTimeoutMs":900/);
  match(
    stderr,
    /Give all nodes the same timing, log and history in cluster\.json, restart those that had/,
  );
  equal(files.includes("group.json"), false);
});

const REFUSALS:
  readonly (readonly [what: string, options: Joining, code: number, message: RegExp])[] = [
    [
      "a cluster of another key, before anything is signed",
      { memberships: new TestMemberships(2) },
      7,
      /Cannot join floe-test: its group key is another than --key\. Compare the key/,
    ],
    [
      "a cluster of another key, whatever its nodes show",
      {
        memberships: new TestMemberships(2),
        onCard: (card, memberships) => add(card, memberships),
      },
      7,
      /whose key is another than the one given/,
    ],
    [
      "a chain with a byte changed",
      {
        onCard: (card, memberships) => {
          add(card, memberships);
          const [first] = memberships.certificates;
          const byOld = String(first?.byOld).replace("10.0.0.1:7101", "10.0.0.2:7101");
          memberships.certificates.splice(0, 1, { byOld, byNew: null });
        },
      },
      7,
      /Cannot accept membership: the signature is not the group key's/,
    ],
    [
      "a place that other keys have",
      {
        onCard: (_card, memberships) =>
          memberships.amend(memberships.member(4, { role: "learner" })),
      },
      2,
      /the members know that id by other keys .* floe member update server_4 --card CARD/,
    ],
    [
      "the id of a member of the cluster",
      { id: "server_2", onCard: (card, memberships) => add(card, memberships) },
      2,
      /Cannot join as server_2: the members know that id by other keys/,
    ],
    [
      "the id of a node that was removed",
      {
        id: "server_3",
        onCard: (_card, memberships) => memberships.reshare({ voters: [1, 2, 5] }),
      },
      2,
      /Cannot join as server_3: a member of that id was removed, and an id is never used again/,
    ],
    ["a key that is none", { key: "abc" }, 2, /neither 64 hex digits, a verifier key nor PEM/],
    ["an address that is none", { args: ["--peer", "x"] }, 2, /Cannot use --peer: /],
    [
      "no address of the cluster",
      { args: ["--from", ","] },
      2,
      /Cannot use --from: it names no address/,
    ],
  ];
for (const [what, options, code, message] of REFUSALS) {
  Deno.test(`join refuses ${what}, and has no key files then`, async () => {
    const memberships = new TestMemberships();
    if (what.includes("removed")) memberships.amend(memberships.member(5, { role: "learner" }));
    const outcome = await join({ memberships, ...options });
    equal(outcome.code, code, outcome.stderr);
    match(outcome.stderr, message);
    equal(outcome.files.includes("group.json"), false);
  });
}
