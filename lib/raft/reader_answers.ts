/**
 * Answers to readers, whether they are clients of this node or another node's batch.
 *
 * @module
 */

import type { LogIndex } from "../types.ts";
import type { Reader } from "./leader_reads.ts";
import type { CoreState } from "./state.ts";

/** Tells a reader its read index, or with null that this node does not lead. */
export function answerReader(state: CoreState, reader: Reader, readIndex: LogIndex | null): void {
  if (reader.kind === "local") {
    const { readId } = reader;
    state.output.reads.push(
      readIndex === null
        ? { kind: "refused", readId, reason: "leaderChanged" }
        : { kind: "ready", readId, readIndex },
    );
    return;
  }
  const { from: to, incarnation, batchId } = reader;
  state.send({
    kind: "readIndexResponse",
    from: state.self,
    to,
    term: state.currentTerm,
    incarnation,
    batchId,
    readIndex,
  });
}
