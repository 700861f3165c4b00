import { existsSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { encodeUtf8 } from "../../lib/bytes.ts";
import type { Certificate } from "../../lib/certificate/certifier.ts";
import { Store, type StoreLimits } from "../../lib/kv/store.ts";
import { digestStore } from "../../lib/kv/store_digest.ts";
import { TableWriter } from "../../lib/kv/store_tables.ts";
import type { DurableState, Entry, HardState, PersistBatch } from "../../lib/raft/entry.ts";
import type { GrantsProof } from "../../lib/raft/term_proof.ts";
import type { StoreOptions } from "../../lib/storage/open_database.ts";
import { openRaftStore, RAFT_FOLDER, type RaftStore } from "../../lib/storage/raft_store.ts";
import type { SnapshotFile } from "../../lib/storage/snapshot/snapshot_file.ts";
import type { Snapshots } from "../../lib/storage/snapshot/snapshots.ts";
import { openStores, type Stores } from "../../lib/storage/stores.ts";
import { encodeBatch } from "../../lib/storage/tables/batch_codec.ts";
import { atOnce, RowLoader } from "../../lib/storage/tables/rows.ts";
import { openTableFile, type TableFile } from "../../lib/storage/tables/table_file.ts";
import { toClusterName, toEpoch, toLogIndex, toNodeId, toTerm } from "../../lib/types.ts";
import { entryOf, putCommand } from "../kv/support.ts";

/** What the tests of the stores have in common. */

/** Runs `work` with the options of a node whose data folder is new, and removes the folder. */
export async function withFolder(
  work: (options: StoreOptions) => void | Promise<void>,
): Promise<void> {
  const folder = Deno.makeTempDirSync({ prefix: "floe-storage-" });
  try {
    await work(nodeIn(folder));
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

/** A node of the cluster that all of these tests use. */
export function nodeIn(folder: string): StoreOptions {
  return { folder, cluster: toClusterName("floe-test"), node: toNodeId("server_1") };
}

/** An entry with a command that says where and when it was written. */
export function entry(index: number, term = 1): Entry {
  return {
    index: toLogIndex(index),
    term: toTerm(term),
    kind: "command",
    data: encodeUtf8(`command ${index} of term ${term}`),
  };
}

/** Entries `first` to `last`. */
export function entries(first: number, last: number, term = 1): readonly Entry[] {
  return Array.from({ length: last - first + 1 }, (_, position) => entry(first + position, term));
}

/** A term, and a vote in it. */
export function hardState(currentTerm: number, votedFor: string | null = null): HardState {
  return {
    currentTerm: toTerm(currentTerm),
    votedFor: votedFor === null ? null : toNodeId(votedFor),
  };
}

/** The certificate of `server_2` in a term; its note is not signed, which no store looks at. */
export function certificate(term: number): Certificate {
  return {
    epoch: toEpoch(1),
    term: toTerm(term),
    leader: toNodeId("server_2"),
    lastLogIndex: toLogIndex(0),
    lastLogTerm: toTerm(0),
    note: `note of term ${term}\n`,
  };
}

/** The grants by which `server_2` opened a term; nobody signed them, which no store looks at. */
export function grants(term: number): GrantsProof {
  const signature = new Uint8Array(64).fill(term);
  const voters = ["server_1", "server_2"].map(toNodeId);
  const given = voters.map((voter) => ({ voter, signature }));
  const candidate = toNodeId("server_2");
  const opened = { term: toTerm(term), epoch: toEpoch(1), membership: null, candidate };
  return { kind: "grants", ...opened, grants: given };
}

/** A batch with whatever of it the test is about, and the proof of its term. */
export function batch(sequence: number, parts: Partial<PersistBatch>): PersistBatch {
  return {
    hardState: null,
    logStart: null,
    entries: [],
    certificates: [],
    grants: parts.hardState ? grants(parts.hardState.currentTerm) : null,
    ...parts,
    sequence,
  };
}

/** Hands batches to a store, and resolves when all of them are durable. */
export function persist(store: RaftStore, ...batches: readonly PersistBatch[]): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const last = batches.at(-1)?.sequence ?? 0;
  store.use({
    persisted: (sequence) => {
      if (sequence >= last) resolve();
    },
    failed: reject,
  });
  for (const batch of batches) store.persist(batch);
  return promise;
}

/** Opens a store for one look at what it finds. */
export function findIn(options: StoreOptions): DurableState {
  const store = openRaftStore(options);
  try {
    return store.load();
  } finally {
    store.abandon();
  }
}

/** Changes a closed database behind its store's back. */
export function tamper({ folder, file }: { folder: string; file: string }, sql: string): void {
  const connection = new DatabaseSync(join(folder, file));
  connection.exec(sql);
  connection.close();
}

/** How many rows a table of a closed database holds. */
export function countRows(
  { folder, file }: { folder: string; file: string },
  table: string,
): unknown {
  const connection = new DatabaseSync(join(folder, file));
  try {
    return connection.prepare(`SELECT count(*) AS count FROM ${table}`).get()?.["count"];
  } finally {
    connection.close();
  }
}

/**
 * A copy of a data folder as it is on disk now: what the next process would find if this one were
 * killed here. Removed together with the folder, inside which it is.
 */
export function copyAsIfKilled(options: StoreOptions): StoreOptions {
  const copy = Deno.makeTempDirSync({ dir: options.folder });
  copyFiles(options.folder, copy);
  for (const name of ["snapshots", RAFT_FOLDER]) {
    if (!existsSync(join(options.folder, name))) continue;
    Deno.mkdirSync(join(copy, name));
    copyFiles(join(options.folder, name), join(copy, name));
  }
  return { ...options, folder: copy };
}

function copyFiles(from: string, to: string): void {
  for (const { name, isFile } of Deno.readDirSync(from)) {
    if (isFile) Deno.copyFileSync(join(from, name), join(to, name));
  }
}

/** Flips one bit of the byte at `offset`, counted from the end when negative. */
export function flipBit(path: string, offset: number): void {
  const bytes = Deno.readFileSync(path);
  const position = offset < 0 ? bytes.length + offset : offset;
  bytes[position] = (bytes[position] ?? 0) ^ 1;
  Deno.writeFileSync(path, bytes);
}

/** Where `text` stands in a file, the first time. */
export function findText(path: string, text: string): number {
  const position = Deno.readFileSync(path).toHex().indexOf(encodeUtf8(text).toHex());
  if (position < 0) throw new Error(`${path} does not contain ${text}`);
  return position / 2;
}

/** Tables that are written in this thread, and the store that they follow. */
export class TestTables {
  /** The tables. */
  readonly file: TableFile;
  readonly #limits: StoreLimits;
  #store: Store | null = null;
  #writer: TableWriter | null = null;
  #forgottenIndex = 0;

  /** Opens the tables of a node. */
  constructor(options: StoreOptions, limits: StoreLimits = {}) {
    this.file = openTableFile(options);
    this.#limits = limits;
  }

  /** The store; the first time, as it is read from the tables. */
  get store(): Store {
    this.#store ??= this.load();
    this.#writer ??= new TableWriter(this.#store);
    return this.#store;
  }

  /** Another store, as it is read from the tables. */
  load(): Store {
    const loader = new RowLoader(this.#limits);
    for (let rows = this.file.read(); rows !== null; rows = this.file.read()) {
      atOnce(loader.add(rows));
    }
    this.#forgottenIndex = loader.state.forgottenIndex;
    return atOnce(loader.finish());
  }

  /** Applies the command of a text as the next entry, and writes it. */
  put(key: string, value: string | Uint8Array): void {
    const { store } = this;
    store.apply([entryOf(store.appliedIndex + 1, putCommand(key, value))]);
    this.write();
  }

  /** Writes what the tables lack, in batches of at most so many changes. */
  write(changesMax = 1_000): void {
    const { store } = this;
    const writer = this.#writer ?? new TableWriter(store);
    for (;;) {
      const batch = writer.next({ changesMax, bytesMax: 1e9 });
      if (batch === null) return;
      for (const part of encodeBatch(batch, this.#forgottenIndex)) this.file.write(part);
      this.file.commit();
      this.#forgottenIndex = Math.max(this.#forgottenIndex, batch.forgottenIndex);
      writer.confirm();
    }
  }

  /** Closes the tables. */
  close(): void {
    this.file.close();
  }
}

/** Opens the tables of a node for one look. */
export function withTables<Result>(
  options: StoreOptions,
  work: (tables: TestTables) => Result,
): Result {
  const tables = new TestTables(options);
  try {
    return work(tables);
  } finally {
    tables.close();
  }
}

/** What a node has: its stores, and the state machine in memory that its tables follow. */
export class TestNode {
  /** All of them. */
  readonly stores: Stores;
  /** The log. */
  readonly raft: RaftStore;
  /** The snapshots. */
  readonly snapshots: Snapshots;
  /** The state machine. */
  store: Store;
  #writer: TableWriter;

  /** Takes over open stores. */
  constructor(stores: Stores) {
    this.stores = stores;
    this.raft = stores.raft;
    this.snapshots = stores.snapshots;
    this.store = stores.takeStore();
    this.#writer = new TableWriter(this.store);
  }

  /** Up to which entry the tables have everything. */
  get writtenIndex(): number {
    return this.stores.tables.appliedIndex;
  }

  /** All of the state machine in 32 bytes, as hex. */
  get digest(): string {
    return digestStore(this.store).toHex();
  }

  /** Applies entries, and writes them to the tables. */
  async apply(entries: readonly Entry[]): Promise<void> {
    this.store.apply(entries);
    const { promise: failed, reject } = Promise.withResolvers<never>();
    this.stores.tables.use({ failed: reject });
    for (;;) {
      const batch = this.#writer.next();
      if (batch === null) return;
      const written = new Promise<void>((resolve) => this.stores.tables.write(batch, resolve));
      await Promise.race([written, failed]);
      this.#writer.confirm();
    }
  }

  /** Goes on with the state machine of a snapshot. */
  install(snapshot: SnapshotFile): void {
    this.store = this.stores.installSnapshot(snapshot);
    this.#writer = new TableWriter(this.store);
  }
}

/** Opens what a node has, and closes it after `work`. */
export async function withNode<Result>(
  options: StoreOptions,
  work: (node: TestNode) => Result | Promise<Result>,
): Promise<Result> {
  const stores = await openStores(options);
  try {
    return await work(new TestNode(stores));
  } finally {
    await stores.close();
  }
}

/** Runs `work` with a store of its own. */
export function withStore(
  work: (store: RaftStore, options: StoreOptions) => void | Promise<void>,
): Promise<void> {
  return withFolder(async (options) => {
    const store = openRaftStore(options);
    try {
      await work(store, options);
    } finally {
      await store.close();
    }
  });
}

/** What a start finds after these batches, and a normal end. */
export async function findAfter(
  options: StoreOptions,
  ...batches: readonly PersistBatch[]
): Promise<ReturnType<typeof findIn>> {
  const store = openRaftStore(options);
  await persist(store, ...batches);
  await store.close();
  return findIn(options);
}
