/**
 * What a watching client got, on all the nodes that it came to, and whether it is what changed.
 *
 * @module
 */

import { isDeepStrictEqual } from "node:util";
import { type ChangeKind, keysWithPrefix, type WatchEvent } from "../../../lib/kv/mod.ts";
import { inRange } from "../../../lib/kv/key_range.ts";
import type { ModelEvent } from "../../support/store_model.ts";
import { require } from "../violation.ts";
import type { Replay } from "./replay.ts";

/** A node said that it has forgotten what a client wanted to know. */
export interface Gap {
  /** The first revision that was wanted. */
  readonly from: number;
  /** The first one that is there. */
  readonly to: number;
  /** How far the node had applied the log. */
  readonly appliedIndex: number;
}

/** See the module. */
export interface Watched {
  /** Whose. */
  readonly name: string;
  /** What the keys begin with. */
  readonly prefix: Uint8Array;
  /** Kinds of changes that are not wanted. */
  readonly without: readonly ChangeKind[];
  /** Whole revisions, in the order in which they came. */
  readonly events: readonly WatchEvent[];
  /** What was forgotten before it came. */
  readonly gaps: readonly Gap[];
  /** Everything below it came. */
  readonly nextRevision: number;
}

/** A watcher's events are the store's changes: in order, each once, no revision in parts. */
export function checkWatched(watched: Watched, replay: Replay): void {
  const { name, prefix, without, events, gaps, nextRevision } = watched;
  for (const { from, appliedIndex } of gaps) replay.checkForgotten(from, appliedIndex);
  const keys = keysWithPrefix(prefix);
  const wanted = replay.events.filter(({ revision, kind, key }) =>
    revision < nextRevision && inRange(keys, key) && !without.includes(kind) &&
    !gaps.some(({ from, to }) => revision >= from && revision < to)
  );
  wanted.forEach((event, at) => {
    const isLastOfRevision = wanted[at + 1]?.revision !== event.revision;
    const got = events[at];
    require(
      got !== undefined && isDeepStrictEqual({ ...got }, { ...event, isLastOfRevision }),
      "A watcher gets every change, once and in order",
      () => `${name} has ${describe(got)} where ${describe(event)} is next`,
    );
  });
  require(events.length === wanted.length, "A watcher gets every change, once and in order", () => {
    return `${name} has ${describe(events[wanted.length])}, which is none or came before`;
  });
}

function describe(event: WatchEvent | ModelEvent | undefined): string {
  if (event === undefined) return "nothing";
  const { revision, kind, key } = event;
  return `${kind} ${new TextDecoder().decode(key)} at ${revision}`;
}
