/**
 * What clients of the store asked and were answered, and whether it is what the committed log says.
 *
 * The order is known: a write takes effect where its entry stands, and a read sees the log up to some
 * entry. So nothing is searched. Each answer is compared with that of a simple model at this place, and
 * the places must not contradict what happened before what.
 *
 * @module
 */

import { isDeepStrictEqual } from "node:util";
import type {
  Command,
  CommandResult,
  KeyValueRow,
  RangeRequest,
  Unreadable,
} from "../../../lib/kv/mod.ts";
import type { WriteAnswer } from "../../../lib/node/api.ts";
import type { LogIndex } from "../../../lib/types.ts";
import { within } from "../../support/store_model.ts";
import { require } from "../violation.ts";
import type { Replay } from "./replay.ts";
import { checkWatched, type Watched } from "./watched.ts";

/** A row as it was read. */
export type SeenRow = KeyValueRow;

/** How a range was answered. */
export type ReadAnswer =
  | { readonly kind: "rows"; readonly rows: readonly SeenRow[]; readonly hasMore: boolean }
  | Unreadable;

/** A range that was read. */
export interface SeenRead {
  /** What was asked. */
  readonly request: RangeRequest;
  /** Whether it names a revision. */
  readonly isPast: boolean;
  /** When. */
  readonly calledUs: number;
  /** When the last of the answer was there. */
  readonly returnedUs: number;
  /** How far the node had applied the log when it began to read. */
  readonly appliedIndex: LogIndex;
  /** The same when it was done. */
  readonly knownIndex: LogIndex;
  /** What the answer is of. */
  readonly revision: LogIndex;
  /** The answer. */
  readonly answer: ReadAnswer;
}

/** A write with its idempotency key. */
export class SeenWrite {
  /** Its idempotency key. */
  readonly name: string;
  /** When it was asked first. */
  readonly calledUs: number;
  /** When it was answered; never, as far as anybody knows. */
  returnedUs = Infinity;
  /** How, if it was. */
  answer: WriteAnswer | null = null;

  /** A write that is on its way. */
  constructor(command: Command, calledUs: number) {
    this.name = nameOf(command) ?? "";
    this.calledUs = calledUs;
  }

  /** It was answered. */
  answered(answer: WriteAnswer, returnedUs: number): void {
    this.answer = answer;
    this.returnedUs = returnedUs;
  }
}

/** See the module. */
export class StoreRecord {
  /** The writes. */
  readonly writes: SeenWrite[] = [];
  /** The reads. */
  readonly reads: SeenRead[] = [];
  /** What each watching client got. */
  readonly watched: Watched[] = [];

  /** A client is about to write. */
  writing(command: Command, calledUs: number): SeenWrite {
    const write = new SeenWrite(command, calledUs);
    this.writes.push(write);
    return write;
  }

  /** Compares everything with the log. @throws {Violation} at the first thing that is otherwise. */
  check(replay: Replay): void {
    for (const write of this.writes) checkWrite(write, replay);
    for (const read of this.reads) checkRead(read, replay);
    this.#checkOrder(replay);
    for (const watched of this.watched) checkWatched(watched, replay);
  }

  /** What was answered before another thing was asked stands before it. */
  #checkOrder(replay: Replay): void {
    const steps = [
      ...this.writes.flatMap(({ name, calledUs, returnedUs, answer }) => {
        const place = replay.placesOf(name)[0] ?? null;
        if (place === null) return [];
        return [{
          calledUs,
          returnedUs: answer === null ? Infinity : returnedUs,
          place,
          what: name,
        }];
      }),
      ...this.reads.filter(({ isPast }) => !isPast).map(
        ({ calledUs, returnedUs, appliedIndex }) => {
          return { calledUs, returnedUs, place: appliedIndex, what: `a read at ${appliedIndex}` };
        },
      ),
    ];
    const byReturn = steps.toSorted((left, right) => left.returnedUs - right.returnedUs);
    let floor = 0;
    let next = 0;
    for (const step of steps.toSorted((left, right) => left.calledUs - right.calledUs)) {
      for (; (byReturn[next]?.returnedUs ?? Infinity) < step.calledUs; next++) {
        floor = Math.max(floor, byReturn[next]?.place ?? 0);
      }
      require(step.place >= floor, "Clients' histories are linearizable", () => {
        return `${step.what} stands at ${step.place}, and what was answered before at ${floor}`;
      });
    }
  }
}

/** The idempotency key of a command. */
export function nameOf(command: Command): string | null {
  return "idempotency" in command ? command.idempotency?.key ?? null : null;
}

function checkWrite({ name, answer }: SeenWrite, replay: Replay): void {
  if (answer === null) return;
  const results = replay.placesOf(name).map((place) => replay.resultAt(place));
  const isThere = results.some((result) =>
    isDeepStrictEqual(result, answer.result) ||
    (answer.isReplay && isDeepStrictEqual(withoutReads(result), withoutReads(answer.result)))
  );
  require(isThere, "An acknowledged write is in the log", () => {
    return `${name} was answered ${shown(answer.result)}, but the log has ${shown(results)}`;
  });
}

function checkRead(read: SeenRead, replay: Replay): void {
  const { request, isPast, appliedIndex, knownIndex, revision, answer } = read;
  if (answer.kind === "future") {
    require(revision > appliedIndex, "What was written can be read", () => {
      return `revision ${revision} is said to be in the future at ${appliedIndex}`;
    });
    return;
  }
  if (answer.kind === "compacted") return replay.checkForgotten(revision, knownIndex);
  const isNow = isPast || replay.revisionAt(appliedIndex) === revision;
  require(isNow, "A range is read as it is", () => {
    return `at ${appliedIndex} the store stands at ${
      replay.revisionAt(appliedIndex)
    }, not ${revision}`;
  });
  const all = within(replay.rowsAt(revision), request.keys);
  const ordered = request.order === "descending" ? all.toReversed() : all;
  const expected = ordered.slice(0, request.limit ?? Infinity);
  const isRight = isDeepStrictEqual(answer.rows, expected) &&
    answer.hasMore === ordered.length > expected.length;
  require(isRight, "A range is read as it was at one revision", () => {
    return `at ${revision} it is ${shown(expected)}, and was read as ${shown(answer.rows)}`;
  });
}

/** A retry is not told again what the first attempt read. */
function withoutReads(result: CommandResult | null): unknown {
  if (result?.kind !== "transaction") return result;
  return { ...result, answers: result.answers.length };
}

function shown(value: unknown): string {
  return JSON.stringify(value, (_, part) => {
    return part instanceof Uint8Array ? new TextDecoder().decode(part) : part;
  });
}
