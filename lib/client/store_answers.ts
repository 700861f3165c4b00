/**
 * Reads the lines of ranges and the events of watches with the schemas of `lib/wire`.
 *
 * @module
 */

import type { Schema, WatchChangeBody } from "../wire/mod.ts";
import type { ServerEvent } from "./event_stream.ts";
import { ClientError } from "./failure.ts";
import { type Change, type Changes, toChange } from "./values.ts";

/** The schemas of the store's bodies, which are loaded late. */
export type WireOfStore = typeof import("../wire/store.ts");

/** How far a watch has come. */
export interface WatchPlace {
  /** The last revision that arrived completely. */
  last: number | null;
  /** The changes of the next revision that have arrived. */
  readonly parts: Change[];
}

/** The changes that an event completes; null when it completes none. */
export async function takeChanges(
  { name, data }: ServerEvent,
  place: WatchPlace,
  wire: WireOfStore,
): Promise<Changes | null> {
  if (name === "problem") {
    const { problemSchema } = await import("../wire/mod.ts");
    const { code, detail, oldestRevision = null } = readAs(data, problemSchema);
    if (code === "stopping" || code === "watch_ended") throw new ClientError("unavailable", detail);
    const kind = code === "compacted" ? "compacted" : "notAllowed";
    throw new ClientError(kind, detail, { code, oldestRevision });
  }
  if (name !== "message") {
    const { revision } = readAs(data, wire.watchProgressSchema);
    place.last = revision;
    return { revision, events: [] };
  }
  const { revision, events, more }: WatchChangeBody = readAs(data, wire.watchChangeSchema);
  for (const event of events) place.parts.push(toChange(event, revision));
  if (more) return null;
  place.last = revision;
  return { revision, events: place.parts.splice(0) };
}

/** Reads JSON; null for text that is none, because no schema accepts null. */
export function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** Reads JSON with a schema. @throws {ClientError} `failure`. */
export function readAs<Body>(text: string, schema: Schema<Body>): Body {
  const parsed = schema.safeParse(parse(text));
  if (parsed.success) return parsed.data;
  throw new ClientError("failure", "A node answered, but not as Floe's API does");
}
