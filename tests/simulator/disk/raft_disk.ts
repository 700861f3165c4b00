/**
 * The durable half of a simulated node: the log of `lib/storage`, as it is, on files that fail.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { assert } from "../../../lib/assert.ts";
import type { PersistBatch } from "../../../lib/raft/mod.ts";
import { RECORD_HEAD_BYTES, RECORD_KINDS, SALT_BYTES } from "../../../lib/storage/log/record.ts";
import { recoverLog, type Recovery } from "../../../lib/storage/log/recovery.ts";
import { ELECTIONS_FILE, type LogOwner, segmentName } from "../../../lib/storage/log/segment.ts";
import { encodeNewLog, RAFT_FOLDER, RaftStore } from "../../../lib/storage/raft_store.ts";
import { toClusterName, toNodeId } from "../../../lib/types.ts";
import type { Random } from "../random.ts";
import { require } from "../violation.ts";
import { DiskFiles, type DiskFilesHost } from "./disk_files.ts";
import { DurableLog } from "./durable_log.ts";

/** How the log is damaged behind the node's back. */
export const RAFT_DAMAGES = [
  "recordFlipped",
  "headFlipped",
  "segmentLost",
  "segmentCut",
  "electionsFlipped",
  "electionsLost",
] as const;
/** Those that few logs are large enough for. */
const RARE_DAMAGES = ["segmentLost", "segmentCut", "electionsFlipped", "electionsLost"] as const;
/** One of {@linkcode RAFT_DAMAGES}. */
export type RaftDamage = typeof RAFT_DAMAGES[number];

/** Whose log it is: each machine has a disk of its own. */
const OWNER: LogOwner = { cluster: toClusterName("simulated"), node: toNodeId("node") };

/** Segments are as short as lives are. */
const SEGMENT_BYTES_MAX = 4 * 1024;

/** Where a record has its kind. */
const KIND_OFFSET = 28;
/** Where it has the lower half of its number. */
const NUMBER_OFFSET = 20;

/** A record that is being written, and the batches in it. */
interface InFlight {
  readonly number: number;
  readonly batches: readonly PersistBatch[];
}

/** What one node has written and will find again. */
export class RaftDisk {
  /** What of it is durable. */
  durable = new DurableLog();
  readonly #files = new DiskFiles();
  #handed: PersistBatch[] = [];
  #inFlight: InFlight | null = null;
  #isDamaged = false;
  #salts = 0;

  /** A disk on which a node never ran. */
  constructor() {
    this.#files.create(segmentName(1), encodeNewLog(OWNER, this.#drawSalt()));
  }

  /** Each file has another salt, and each run the same. */
  #drawSalt(): Uint8Array {
    const drawn = createHash("sha256").update(`salt ${++this.#salts}`).digest();
    return new Uint8Array(drawn.subarray(0, SALT_BYTES));
  }

  /** Whether something was damaged behind the node's back. */
  get isDamaged(): boolean {
    return this.#isDamaged;
  }

  /** The batches that are being written. */
  get writing(): readonly PersistBatch[] {
    return this.#inFlight?.batches ?? [];
  }

  /** Opens the log for a process. @throws {CorruptionError} when it cannot be trusted. */
  open(host: DiskFilesHost): RaftStore {
    this.#files.use({
      writing: (name, bytes) => {
        if (name !== ELECTIONS_FILE) this.#noteRecord(bytes);
        host.writing(name, bytes);
      },
      sync: (done) => host.sync(done),
    });
    const store = new RaftStore({
      owner: OWNER,
      folder: RAFT_FOLDER,
      files: this.#files,
      segmentBytesMax: SEGMENT_BYTES_MAX,
      drawSalt: () => this.#drawSalt(),
    });
    if (!this.#isDamaged) this.#checkFound(store);
    return store;
  }

  /** What was durable is there again, neither less nor more. */
  #checkFound(store: RaftStore): void {
    const { lastIndex, logStart, certifiedTerms } = this.durable;
    const isSame = store.lastIndex === lastIndex && store.logStart.index === logStart.index;
    require(isSame, "A start finds the log as it was", () => {
      return `entries ${store.logStart.index} to ${store.lastIndex}, not to ${lastIndex}`;
    });
    const lost = certifiedTerms.find((term) => store.election(term) === null);
    require(lost === undefined, "No certificate is forgotten", () => `that of term ${lost} is`);
  }

  /** A batch is handed over. */
  handOver(batch: PersistBatch): void {
    this.#handed.push(batch);
  }

  /** Every batch up to this one is durable, as the process is told; `saw` sees each at its time. */
  becomeDurable(sequence: number, saw: (batch: PersistBatch) => void): readonly PersistBatch[] {
    const isUnsynced = this.#files.hasUnsynced((name) => name !== ELECTIONS_FILE);
    require(!isUnsynced, "What is said to be durable was synced", () => `batch ${sequence}`);
    const end = this.#handed.findIndex((batch) => batch.sequence > sequence);
    const batches = this.#handed.splice(0, end === -1 ? this.#handed.length : end);
    this.#inFlight = null;
    this.#write(batches, saw);
    return batches;
  }

  /** The process ended. Batches may be durable of which nobody was told: `saw` sees these. */
  end(random: Random, saw: (batch: PersistBatch) => void): readonly PersistBatch[] {
    this.#files.tear(random);
    const inFlight = this.#inFlight;
    this.#handed = [];
    this.#inFlight = null;
    if (inFlight === null || this.#isDamaged) return [];
    if (this.#recover().end.position.number < inFlight.number) return [];
    this.#write(inFlight.batches, saw);
    return inFlight.batches;
  }

  /** Damages something that was durable; says what. */
  damage(random: Random): RaftDamage {
    const recovery = this.#recover();
    this.#isDamaged = true;
    const first = random.chance(0.8) ? random.shuffled(RARE_DAMAGES) : [];
    const kinds = [...first, ...random.shuffled(RAFT_DAMAGES)];
    const kind = kinds.find((kind) => this.#damage(kind, recovery, random));
    if (kind !== undefined) return kind;
    for (const name of this.#files.list()) this.#files.lose(name);
    return "segmentLost";
  }

  /** Damage in the very last record looks like one that was cut short: that is spared. */
  #damage(kind: RaftDamage, recovery: Recovery, random: Random): boolean {
    const numbers = recovery.segments.map(({ number }) => number);
    const older = numbers.slice(0, -1);
    const hasElections = recovery.state.electionRecords > 0;
    switch (kind) {
      case "recordFlipped":
        return this.#flipRecord(segmentName(random.pick(numbers)), random);
      case "headFlipped":
        this.#flip(segmentName(random.pick(numbers)), random.below(48), random);
        return true;
      case "segmentLost":
        // The newest one: of the others, all may be compacted.
        if (older.length === 0) return false;
        this.#files.lose(segmentName(numbers.at(-1) ?? 1));
        return true;
      case "segmentCut":
        if (older.length === 0) return false;
        this.#files.damage(segmentName(random.pick(older)), (bytes) => {
          return bytes.slice(0, random.below(bytes.length));
        });
        return true;
      case "electionsFlipped":
        if (!hasElections) return false;
        this.#flip(ELECTIONS_FILE, random.below(48), random);
        return true;
      case "electionsLost":
        if (hasElections) this.#files.lose(ELECTIONS_FILE);
        return hasElections;
      default:
        return kind satisfies never;
    }
  }

  /** Flips a bit of any record but the file's last one. */
  #flipRecord(name: string, random: Random): boolean {
    const starts = this.#recordStarts(name);
    const [last] = starts.slice(-1);
    const [first] = starts;
    if (first === undefined || last === undefined || first === last) return false;
    const start = random.pick(starts.slice(0, -1));
    const next = starts[starts.indexOf(start) + 1] ?? last;
    const place = random.chance(0.5) ? random.below(36) : random.between(40, next - start - 8);
    this.#flip(name, start + place, random);
    return true;
  }

  #recordStarts(name: string): readonly number[] {
    const bytes = this.#files.read(name);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const starts: number[] = [];
    let at = 48;
    while (at + RECORD_HEAD_BYTES <= bytes.length && bytes[at + KIND_OFFSET] !== 0) {
      starts.push(at);
      at += Math.ceil((RECORD_HEAD_BYTES + view.getUint32(at + 24)) / 8) * 8;
    }
    return starts;
  }

  #flip(name: string, offset: number, random: Random): void {
    this.#files.damage(name, (bytes) => {
      bytes[offset] = (bytes[offset] ?? 0) ^ (1 << random.below(8));
      return bytes;
    });
  }

  #write(batches: readonly PersistBatch[], saw: (batch: PersistBatch) => void): void {
    for (const batch of batches) {
      this.durable.write(batch);
      saw(batch);
    }
  }

  #noteRecord(bytes: Uint8Array): void {
    if (bytes.length < RECORD_HEAD_BYTES || bytes[KIND_OFFSET] !== RECORD_KINDS.batches) return;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const number = view.getUint32(NUMBER_OFFSET);
    this.#inFlight = { number, batches: [...this.#handed] };
  }

  #recover(): Recovery {
    const recovery = recoverLog(this.#files, { folder: RAFT_FOLDER, owner: OWNER });
    assert(recovery !== null, "A log that was made is there");
    return recovery;
  }
}
