/**
 * The near end of a worker.
 *
 * @module
 */

import { EnvironmentError } from "../errors.ts";
import {
  type JobName,
  type JobOf,
  type JobRequest,
  type JobResponse,
  type ResultOf,
  toError,
} from "./storage_jobs.ts";

interface Waiting {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: Error) => void;
}

/**
 * Has jobs done by a worker, one after another, in the order in which they are given. The worker is
 * started with the first one. It has the process's permissions: to take some of them away is still
 * an unstable feature of Deno, which ends a process that was not started for it.
 */
export class JobQueue {
  readonly #waiting = new Map<number, Waiting>();
  #worker: Worker | null = null;
  #lastId = 0;
  #isClosed = false;

  /**
   * Has a job done. What is transferred is the worker's from then on.
   *
   * @throws {InputError} when what it works on is not what it should be.
   * @throws {EnvironmentError} when the disk fails, or the queue is closed before the job is done.
   */
  run<Name extends JobName>(
    name: Name,
    job: JobOf<Name>,
    transfer: Transferable[] = [],
  ): Promise<ResultOf<Name>> {
    if (this.#isClosed) return Promise.reject(closedError());
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const request: JobRequest = { id: ++this.#lastId, name, job };
    this.#waiting.set(request.id, { resolve, reject });
    this.#worker ??= this.#start();
    this.#worker.postMessage(request, transfer);
    return promise as Promise<ResultOf<Name>>;
  }

  /** Stops the worker wherever it is. What it was doing is rejected. */
  close(): void {
    this.#isClosed = true;
    this.#stop(closedError());
  }

  #start(): Worker {
    // deno compile finds this file by its name in scripts/compile.ts.
    const url = new URL("./storage_worker.ts", import.meta.url);
    const worker = new Worker(url, { type: "module" });
    worker.addEventListener("message", ({ data }: MessageEvent<JobResponse>) => this.#settle(data));
    worker.addEventListener("error", (event) => {
      event.preventDefault();
      this.#stop(new EnvironmentError(`A worker of the storage failed: ${event.message}`));
    });
    return worker;
  }

  #settle({ id, outcome }: JobResponse): void {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (outcome.kind === "done") waiting?.resolve(outcome.result);
    else waiting?.reject(toError(outcome));
  }

  #stop(error: Error): void {
    this.#worker?.terminate();
    this.#worker = null;
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }
}

function closedError(): EnvironmentError {
  return new EnvironmentError("Cannot work on what is stored: the node stops");
}
