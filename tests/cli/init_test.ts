import assert from "node:assert/strict";
import { loadClusterConfig, requirePinned } from "../../lib/config/cluster_config.ts";
import { fingerprintOf } from "../../lib/config/config_difference.ts";
import { marginsOf, marginWarnings } from "../../lib/margins.ts";
import { floe, type Outcome } from "./fake_terminal.ts";

/** A folder in which each node's operator has run `floe keygen`. */
class Gathered implements Disposable {
  readonly path: string = Deno.makeTempDirSync({ prefix: "floe-init-" });
  readonly config: string = `${this.path}/cluster.json`;

  /** A node's card, in a file. */
  async card(id: string, port: number, folder: string = id): Promise<string> {
    const addresses = ["--peer", `h:${port}`, "--api", `h:${port + 1}`];
    const dataDir = ["--data-dir", `${this.path}/${folder}`];
    const { code, stdout, stderr } = await floe(["keygen", "--id", id, ...addresses, ...dataDir]);
    assert.equal(code, 0, stderr);
    const file = `${this.path}/${id}-${port}.card`;
    Deno.writeTextFileSync(file, stdout);
    return file;
  }

  async init(threshold: number, cards: readonly string[], stdin = ""): Promise<Outcome> {
    const args = ["init", "--cluster", "c", "--threshold", `${threshold}`, "--config", this.config];
    return await floe([...args, ...cards], { stdin });
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.path, { recursive: true });
  }
}

async function threeCards(folder: Gathered): Promise<string[]> {
  const cards = [];
  for (const [index, id] of ["a", "b", "c"].entries()) {
    cards.push(await folder.card(id, 10 * index + 1));
  }
  return cards;
}

function refuses({ code, stderr }: Outcome, folder: Gathered, message: RegExp): void {
  assert.equal(code, 2, stderr);
  assert.match(stderr, message);
  assert.throws(() => Deno.statSync(folder.config), Deno.errors.NotFound);
}

Deno.test("init takes over where etcd's clients find a node, from keygen's card", async () => {
  using folder = new Gathered();
  const cards = await threeCards(folder);
  const [first = ""] = cards;
  const place = ["--data-dir", `${folder.path}/with-etcd`, "--peer", "h:1", "--api", "h:2"];
  const made = await floe(["keygen", "--id", "z", ...place, "--etcd", "h:3"]);
  equalCode(made);
  Deno.writeTextFileSync(first, made.stdout);
  equalCode(await folder.init(2, cards));
  const { peers } = await loadClusterConfig(folder.config);
  assert.deepEqual(peers.map(({ etcd }) => etcd?.port), [3, undefined, undefined]);
  const wrong = await floe(["keygen", "--id", "z", ...place, "--etcd", "nowhere"]);
  assert.deepEqual([wrong.code, /--etcd/.test(wrong.stderr)], [2, true]);
});

function equalCode({ code, stderr }: Outcome): void {
  assert.equal(code, 0, stderr);
}

Deno.test("init writes a configuration that pins every node's keys, in the cards' order", async () => {
  using folder = new Gathered();
  const cards = await threeCards(folder);
  const made = await folder.init(2, cards.toReversed());
  assert.equal(made.code, 0, made.stderr);
  assert.match(
    made.stdout,
    /^NODE {2}PEER {2}API {3}ETCD\nc {5}h:21 {2}h:22 {2}-\n[^]*must sign +2 of 3\n/,
  );
  const config = requirePinned(await loadClusterConfig(folder.config), folder.config);
  assert.deepEqual([config.cluster as string, config.threshold], ["c", 2]);
  assert.deepEqual(config.peers.map(({ id }) => id as string), ["c", "b", "a"]);
});

Deno.test("init tells the margins, and warns of a cluster that has none", async () => {
  using folder = new Gathered();
  const cards = await threeCards(folder);
  const sound = await folder.init(2, cards);
  assert.match(sound.stdout, /^may be down +1 of 3 nodes;/m);
  assert.match(sound.stdout, /^may be stolen +1 of 3 shares;/m);
  assert.equal(sound.stderr, "");
  const brittle = await folder.init(2, [...cards.slice(0, 2), "--force"]);
  assert.match(brittle.stderr, /^warning: All 2 nodes must sign: .* loses the key for ever\.\n/);
});

Deno.test("init -o json has the margins and the warnings as data", async () => {
  using folder = new Gathered();
  const cards = await threeCards(folder);
  const { stdout, stderr } = await folder.init(3, [...cards, "-o", "json"]);
  const { margins, warnings } = JSON.parse(stdout);
  assert.deepEqual(margins, marginsOf({ n: 3, threshold: 3 }));
  assert.deepEqual([warnings, stderr], [marginWarnings({ n: 3, threshold: 3 }), ""]);
});

Deno.test("init takes cards from standard input, as lines or as a list", async () => {
  using folder = new Gathered();
  const texts = (await threeCards(folder)).map((file) => Deno.readTextFileSync(file));
  const list = `[${texts.join(",")}]`;
  const indented = JSON.stringify(JSON.parse(texts[0] ?? ""), null, 2);
  for (const [text, count] of [[texts.join("\n"), 3], [list, 3], [indented, 1]] as const) {
    const made = await folder.init(count === 3 ? 2 : 1, ["-", "--force", "-o", "json"], text);
    assert.equal(made.code, 0, made.stderr);
    assert.equal(JSON.parse(made.stdout).nodes.length, count);
  }
});

Deno.test("init replaces a configuration only when it is told to", async () => {
  using folder = new Gathered();
  const cards = await threeCards(folder);
  Deno.writeTextFileSync(folder.config, "precious");
  const refused = await folder.init(2, cards);
  assert.equal(refused.code, 2);
  assert.match(refused.stderr, /cluster\.json: the file exists.*--force/);
  assert.equal(Deno.readTextFileSync(folder.config), "precious");
  assert.equal((await folder.init(2, [...cards, "--force"])).code, 0);
});

Deno.test("init refuses a card that was changed, and names it", async () => {
  using folder = new Gathered();
  const cards = await threeCards(folder);
  const [, second] = cards;
  assert.ok(second !== undefined);
  const card = JSON.parse(Deno.readTextFileSync(second));
  Deno.writeTextFileSync(second, JSON.stringify({ ...card, peer: "evil:1" }));
  refuses(await folder.init(2, cards), folder, /card .*b-11\.card: its signature does not verify/);
});

Deno.test("init refuses what is no card, and says which line", async () => {
  using folder = new Gathered();
  const [first] = await threeCards(folder);
  const text = Deno.readTextFileSync(first ?? "");
  refuses(await folder.init(1, ["-"], "{"), folder, /card standard input: it is not JSON/);
  refuses(
    await folder.init(1, ["-"], `${text}\n{"id":1}\n`),
    folder,
    /card standard input, line [23]: id: .*/,
  );
  refuses(await folder.init(1, [`${folder.path}/none`]), folder, /none: there is no such file/);
});

Deno.test("init refuses the same node, address or key twice, and names the cards", async () => {
  using folder = new Gathered();
  const a = await folder.card("a", 1);
  const again = await folder.card("a", 5);
  refuses(
    await folder.init(2, [a, again]),
    folder,
    /a-5\.card\.id: "a" is already at .*a-1\.card\.id/,
  );
  refuses(await folder.init(2, [a, again]), folder, /a-5\.card\.channelKey: ".*" is already at/);
  const sameAddress = await folder.card("b", 1);
  refuses(await folder.init(2, [a, sameAddress]), folder, /b-1\.card\.peer: "h:1" is already at/);
});

for (const [threshold, message] of [[1, /1 of 3 voters.*from 2 to 3/], [4, /4 of 3/]] as const) {
  Deno.test(`init refuses threshold ${threshold} of 3`, async () => {
    using folder = new Gathered();
    refuses(await folder.init(threshold, await threeCards(folder)), folder, message);
  });
}

Deno.test("init needs a name, a threshold and a card", async () => {
  for (const args of [["--threshold", "1", "x"], ["--cluster", "c", "x"], ["--cluster", "c"]]) {
    assert.equal((await floe(["init", ...args])).code, 2);
  }
  const named = await floe(["init", "--cluster", "a b", "--threshold", "1", "x"]);
  assert.equal(named.code, 2);
});

Deno.test("init refuses a card with a doubled key, and names a byte order mark", async () => {
  using folder = new Gathered();
  const cards = await threeCards(folder);
  const text = Deno.readTextFileSync(cards[0] ?? "");
  const other = `${folder.path}/other.card`;
  Deno.writeTextFileSync(other, text.replace("{", '{ "id": "z",'));
  refuses(await folder.init(2, [other, ...cards.slice(1)]), folder, /other.card: has a key twice/);
  Deno.writeTextFileSync(other, `\ufeff${text}`);
  refuses(
    await folder.init(2, [other, ...cards.slice(1)]),
    folder,
    /begins with a byte order mark/,
  );
});

Deno.test("a configuration with a doubled key is refused with its place", async () => {
  using folder = new Gathered();
  Deno.writeTextFileSync(folder.config, '{\n  "threshold": 1,\n  "threshold": 2\n}\n');
  const { code, stderr } = await floe(["get", "k", "--config", folder.config], { env: {} });
  assert.equal(code, 2);
  assert.match(stderr, /cluster\.json: .*has a key twice in one object, .* at line 3, column 3/s);
});

Deno.test("init has a profile for nodes that are far apart, parts of which options change", async () => {
  using folder = new Gathered();
  const cards = await threeCards(folder);
  const timing = async (...args: readonly string[]) => {
    equalCode(await folder.init(2, [...args, "--force", ...cards]));
    const { timing: made } = await loadClusterConfig(folder.config);
    return [made.heartbeatMs, made.electionTimeoutMs, made.signingTimeoutMs];
  };
  assert.deepEqual(await timing(), [50, 500, 100]);
  assert.deepEqual(await timing("--profile", "lan"), [50, 500, 100]);
  assert.deepEqual(await timing("--profile", "wan"), [300, 3_000, 1_000]);
  assert.deepEqual(await timing("--profile", "wan", "--heartbeat", "200"), [200, 3_000, 1_000]);
  const all = ["--heartbeat", "100", "--election-timeout", "1500", "--signing-timeout", "700"];
  assert.deepEqual(await timing(...all), [100, 1_500, 700]);
});

for (
  const [args, message] of [
    [["--heartbeat", "400"], /timing\.heartbeatMs/],
    [["--signing-timeout", "300"], /timing\.signingTimeoutMs/],
    [["--election-timeout", "70000"], /timing\.electionTimeoutMs/],
    [["--profile", "moon"], /Allowed choices are lan, wan/],
    [["--heartbeat", "0"], /It must be a whole number/],
  ] as const
) {
  Deno.test(`init refuses ${args.join(" ")}`, async () => {
    using folder = new Gathered();
    refuses(await folder.init(2, [...args, ...await threeCards(folder)]), folder, message);
  });
}

Deno.test("init prints the fingerprint of what it wrote, the same for files with the same meaning", async () => {
  using folder = new Gathered();
  const cards = await threeCards(folder);
  const made = await folder.init(2, cards);
  const [, fingerprint = ""] =
    /^fingerprint +((?:[0-9a-f]{4} ){7}[0-9a-f]{4})$/m.exec(made.stdout) ?? [];
  const config = await loadClusterConfig(folder.config);
  assert.equal(fingerprintOf(config), fingerprint);
  const { timing: _, ...rest } = JSON.parse(Deno.readTextFileSync(folder.config));
  Deno.writeTextFileSync(folder.config, JSON.stringify(rest));
  assert.equal(fingerprintOf(await loadClusterConfig(folder.config)), fingerprint);
  Deno.writeTextFileSync(folder.config, JSON.stringify({ ...rest, threshold: 3 }));
  assert.notEqual(fingerprintOf(await loadClusterConfig(folder.config)), fingerprint);
  const json = await folder.init(2, ["-o", "json", "--force", ...cards]);
  assert.equal(JSON.parse(json.stdout).fingerprint, fingerprint);
});
