import assert from "node:assert/strict";
import { assertDefined } from "../../lib/assert.ts";
import { encodeHex, encodeUtf8 } from "../../lib/bytes.ts";
import { EnvironmentError } from "../../lib/errors.ts";
import type { DurableKeyGeneration, DurableShare } from "../../lib/keygen/mod.ts";
import { KeyFileError } from "../../lib/keys/key_file.ts";
import { Passphrase } from "../../lib/keys/passphrase.ts";
import {
  deleteRecord,
  hasRecord,
  type KeyPlace,
  readRecord,
  writeRecord,
} from "../../lib/keys/record_file.ts";
import { changePassphrase } from "../../lib/keys/secret_kinds.ts";
import { toNodeId } from "../../lib/types.ts";
import { TestKeygen } from "../keygen/harness.ts";
import { MemoryCluster } from "../node/key_generation/memory_cluster.ts";
import "../support/cheap_scrypt.ts";

const { config, three: [self] } = new MemoryCluster(3);
const RECORDS = recordsOf();
const { share: SHARE } = RECORDS.finished;

for (const [name, record] of Object.entries(RECORDS)) {
  Deno.test(`readRecord() reads the ${name} record that was written, and erases what it was given`, () => {
    withFolder((place) => {
      const given = structuredClone(record);
      writeRecord(place, given);
      assert.deepEqual(readRecord(place), record);
      if (given.share !== null) assert.deepEqual(given.share.secret, new Uint8Array(32));
      const { mode } = Deno.statSync(fileOf(place));
      assert.equal((mode ?? 0) & 0o777, 0o600);
      assert.equal([...Deno.readDirSync(place.folder.dataDir)].length, 1);
    });
  });
}

Deno.test("writeRecord() replaces the record before; deleteRecord() removes it, and needs none", () => {
  withFolder((place) => {
    writeRecord(place, structuredClone(RECORDS.new));
    writeRecord(place, structuredClone(RECORDS.finished));
    assert.deepEqual(readRecord(place), RECORDS.finished);
    for (let times = 0; times < 2; times++) {
      deleteRecord(place.folder.dataDir);
      assert.equal(hasRecord(place.folder.dataDir), false);
      assert.equal(readRecord(place), null);
    }
  });
});

Deno.test("a record is encrypted where there is a passphrase", () => {
  withFolder(({ folder, config }) => {
    using passphrase = new Passphrase(encodeUtf8("correct horse battery staple"));
    const place = { folder: { ...folder, passphrase }, config };
    writeRecord(place, structuredClone(RECORDS.finished));
    assert.ok(!Deno.readTextFileSync(fileOf(place)).includes(encodeHex(SHARE.secret)));
    assert.deepEqual(readRecord(place), RECORDS.finished);
    refuses({ folder, config }, /it is encrypted/);
  });
});

Deno.test("a record gets the passphrase that a folder's files are given, and loses it again", () => {
  withRecord(({ folder, config }) => {
    using passphrase = new Passphrase(encodeUtf8("correct horse battery staple"));
    const file = fileOf({ folder, config });
    assert.deepEqual(changePassphrase(folder.dataDir, { from: null, to: passphrase }), [file]);
    const encrypted = { folder: { ...folder, passphrase }, config };
    assert.deepEqual(readRecord(encrypted), RECORDS.finished);
    changePassphrase(folder.dataDir, { from: passphrase, to: null });
    assert.deepEqual(readRecord({ folder, config }), RECORDS.finished);
  });
});

Deno.test("deleteRecord() leaves nothing of a record whose writing was cut short", () => {
  withRecord(({ folder: { dataDir } }) => {
    Deno.copyFileSync(`${dataDir}/keygen.json`, `${dataDir}/keygen.json.4711.tmp`);
    deleteRecord(dataDir);
    assert.deepEqual([...Deno.readDirSync(dataDir)], []);
  });
});

Deno.test("deleteRecord() keeps the record until all that is left of it is gone", () => {
  withRecord(({ folder: { dataDir } }) => {
    const stuck = `${dataDir}/keygen.json.4711.tmp`;
    Deno.mkdirSync(`${stuck}/not-empty`, { recursive: true });
    assert.throws(() => deleteRecord(dataDir), EnvironmentError);
    assert.ok(hasRecord(dataDir));
    Deno.removeSync(stuck, { recursive: true });
    deleteRecord(dataDir);
    assert.deepEqual([...Deno.readDirSync(dataDir)], []);
  });
});

Deno.test("readRecord() refuses a record that other users can read", () => {
  withRecord((place) => {
    Deno.chmodSync(fileOf(place), 0o640);
    refuses(place, /other users can read it \(mode 640\).*start over.*every node/);
  });
});

Deno.test("readRecord() refuses another node's record", () => {
  withRecord(({ folder, config }) => {
    const other = { ...folder, self: toNodeId("server_2") };
    refuses({ folder: other, config }, /it is of another node: server_1, not server_2/);
  });
});

Deno.test("readRecord() refuses a record of another configuration, and says what to do", () => {
  withRecord((place) => {
    const other = { ...place, config: { ...config, threshold: 3 } };
    refuses(other, /begun under another cluster\.json .*Put back that one's .*or start over/);
  });
  withRecord(({ folder }) => {
    const addresses = config.peers.map((peer) => ({
      ...peer,
      api: { hostname: "other", port: 1 },
    }));
    const moved = { ...config, peers: addresses };
    assert.notEqual(readRecord({ folder, config: moved }), null, "an address is no part of it");
  });
});

const DAMAGES: readonly (readonly [string, (record: Record<string, unknown>) => unknown])[] = [
  ["the top level", () => []],
  ["attempt", (record) => ({ ...record, attempt: -1 })],
  ["attempt", (record) => ({ ...record, attempt: "1" })],
  ["configuration", (record) => ({ ...record, configuration: "c" })],
  ["share", (record) => ({ ...record, share: undefined })],
  ["share.secret", (record) => ({ ...record, share: { ...Object(record.share), secret: "00" } })],
  ["share.signed", (record) => ({ ...record, share: { ...Object(record.share), signed: 1 } })],
  ["genesis", (record) => ({ ...record, genesis: 7 })],
  ["the top level", (record) => ({ ...record, more: true })],
];

for (const [place, damage] of DAMAGES) {
  Deno.test(`readRecord() refuses a record damaged at ${place}: ${damage}`, () => {
    withRecord((record) => {
      const file = fileOf(record);
      const damaged = damage(JSON.parse(Deno.readTextFileSync(file)));
      Deno.writeTextFileSync(file, JSON.stringify(damaged));
      refuses(record, new RegExp(`damaged at ${place.replaceAll(".", "\\.")}.*start over`));
    });
  });
}

Deno.test("readRecord() refuses what is not JSON, without quoting it", () => {
  withRecord((place) => {
    Deno.writeTextFileSync(fileOf(place), encodeHex(SHARE.secret));
    refuses(place, /not JSON/);
  });
});

function recordsOf() {
  const cluster = new TestKeygen(2, 3);
  const fresh = structuredClone(cluster.node(1).disk);
  cluster.start();
  cluster.deliver();
  const finished = structuredClone(cluster.node(1).disk);
  const share: DurableShare = assertDefined(finished.share ?? undefined, "no share");
  const signed = { ...finished, genesis: null };
  return {
    new: fresh,
    ready: { ...signed, share: { ...share, signed: false } },
    signed,
    finished: { ...finished, share },
  } satisfies Record<string, DurableKeyGeneration>;
}

function withRecord(test: (place: KeyPlace) => void): void {
  withFolder((place) => {
    writeRecord(place, structuredClone(RECORDS.finished));
    test(place);
  });
}

function withFolder(test: (place: KeyPlace) => void): void {
  const dataDir = Deno.makeTempDirSync({ prefix: "floe-record-" });
  try {
    test({ folder: { dataDir, self, passphrase: null }, config });
  } finally {
    Deno.removeSync(dataDir, { recursive: true });
  }
}

function fileOf({ folder }: KeyPlace): string {
  return `${folder.dataDir}/keygen.json`;
}

function refuses(place: KeyPlace, message: RegExp): void {
  assert.throws(() => readRecord(place), (error) => {
    assert.ok(error instanceof KeyFileError, `${error}`);
    assert.match(error.message, message);
    assert.ok(!Deno.inspect(error).includes(encodeHex(SHARE.secret).slice(0, 16)));
    return true;
  });
}
