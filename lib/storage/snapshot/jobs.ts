/**
 * The work on snapshots that takes long: what the worker does, and what crosses to it and back.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { equalBytes } from "../../bytes.ts";
import { EnvironmentError, InputError, messageOf } from "../../errors.ts";
import type { ClusterName, NodeId } from "../../types.ts";
import { readFully, removeIfThere } from "../files.ts";
import { syncFolder } from "../folder.ts";
import { PageCopier } from "./page_copier.ts";
import { adoptSnapshot, checkSnapshot } from "./snapshot_check.ts";
import type { SnapshotFile } from "./snapshot_file.ts";

/** One piece of work. */
export type Job =
  /** Copies a database file, or some of its pages. Answered with null. */
  | {
    readonly kind: "copy";
    readonly from: string;
    readonly to: string;
    readonly pages: readonly number[] | null;
  }
  /** Checks a copy, renames it and names it. Answered with its name. */
  | {
    readonly kind: "seal";
    readonly path: string;
    readonly sealedPath: string;
    readonly cluster: ClusterName;
  }
  /** Checks what arrived against its name, makes it the node's own and renames it. Null. */
  | {
    readonly kind: "receive";
    readonly path: string;
    readonly readyPath: string;
    readonly folder: string;
    readonly snapshot: SnapshotFile;
    readonly cluster: ClusterName;
    readonly node: NodeId;
  };

/** A job on its way to the worker. */
export interface JobRequest {
  /** Names the answer. */
  readonly id: number;
  /** The work. */
  readonly job: Job;
}

/** What became of a job; an error crosses as what it says, as no class does. */
export type JobOutcome =
  | { readonly kind: "done"; readonly result: SnapshotFile | null }
  | { readonly kind: "failed"; readonly fault: "input" | "environment"; readonly message: string };

/** The worker's answer. */
export interface JobResponse {
  /** The request's. */
  readonly id: number;
  /** What became of it. */
  readonly outcome: JobOutcome;
}

/** Does one job after another; never throws. */
export class JobRunner {
  readonly #copier = new PageCopier();

  /** Does a job. */
  run(job: Job): JobOutcome {
    try {
      return { kind: "done", result: this.#run(job) };
    } catch (error) {
      const fault = error instanceof InputError ? "input" : "environment";
      return { kind: "failed", fault, message: messageOf(error) };
    }
  }

  #run(job: Job): SnapshotFile | null {
    switch (job.kind) {
      case "copy":
        this.#copier.copy(job);
        return null;
      case "seal":
        return seal(job);
      case "receive":
        receive(job);
        return null;
      default:
        return job satisfies never;
    }
  }
}

/** The error that a failed outcome stands for. */
export function toError(
  { fault, message }: JobOutcome & { readonly kind: "failed" },
): InputError | EnvironmentError {
  return fault === "input" ? new InputError(message) : new EnvironmentError(message);
}

/** What it seals is gone with the process, so nothing has to be durable. */
function seal({ path, sealedPath, cluster }: Job & { readonly kind: "seal" }): SnapshotFile {
  const index = checkSnapshot(path, cluster);
  const { bytes, sha256 } = digestFile(path);
  Deno.renameSync(path, sealedPath);
  return { index, bytes, sha256 };
}

function receive(job: Job & { readonly kind: "receive" }): void {
  try {
    checkClaims(job);
    adoptSnapshot(job.path, job.node);
    Deno.renameSync(job.path, job.readyPath);
    syncFolder(job.folder);
  } catch (error) {
    // Whatever it was, the leader sends it again; and the disk may be full.
    removeIfThere(job.path);
    throw error;
  }
}

function checkClaims({ path, snapshot, cluster }: Job & { readonly kind: "receive" }): void {
  const { bytes, sha256 } = digestFile(path);
  if (bytes !== snapshot.bytes || !equalBytes(sha256, snapshot.sha256)) {
    throw new InputError(`Cannot use snapshot: its SHA-256 is not the one that was announced`);
  }
  const index = checkSnapshot(path, cluster);
  if (index === snapshot.index) return;
  throw new InputError(
    `Cannot use snapshot: it holds the effects of entries up to ${index}, not ${snapshot.index}`,
  );
}

const CHUNK_BYTES = 1024 * 1024;

function digestFile(path: string): { readonly bytes: number; readonly sha256: Uint8Array } {
  using file = Deno.openSync(path);
  const hash = createHash("sha256");
  const chunk = new Uint8Array(CHUNK_BYTES);
  let bytes = 0;
  for (let length = chunk.length; length === chunk.length; bytes += length) {
    length = readFully(file, chunk);
    hash.update(chunk.subarray(0, length));
  }
  return { bytes, sha256: new Uint8Array(hash.digest()) };
}
