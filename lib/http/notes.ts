/**
 * Answers that hold signed notes: as JSON with the notes in it, or, to a request with `Accept: text/plain`, the
 * notes alone, byte for byte, ready for `floe verify` and any other tool.
 *
 * @module
 */

import { accepts } from "hono/accepts";
import { encodeUtf8 } from "../bytes.ts";
import { jsonResponse, lengthHeader, NO_STORE, Problem } from "./problem.ts";
import type { RequestContext } from "./route.ts";

/** The answer of a route, in both forms. */
interface NotedAnswer {
  readonly body: object;
  /** The notes in it, in order, with an empty line between two. */
  readonly notes: readonly string[];
  /** Why there is no note, for an answer without one. */
  readonly none: string;
}

/** Answers in the form that the request prefers. @throws {Problem} when it asks for notes and there are none. */
export function respondWithNotes(
  context: RequestContext,
  { body, notes, none }: NotedAnswer,
): Response {
  if (!wantsNotes(context)) return jsonResponse(body, { headers: VARY });
  if (notes.length === 0) throw new Problem("note_not_found", none, { headers: VARY });
  const bytes = encodeUtf8(notes.join("\n"));
  const type = { "content-type": "text/plain; charset=utf-8" };
  return new Response(bytes, {
    headers: { ...type, ...VARY, ...lengthHeader(bytes), ...NO_STORE },
  });
}

/** The answer depends on what the request accepts. */
const VARY = { vary: "accept" };

function wantsNotes(context: RequestContext): boolean {
  const supports = ["application/json", "text/plain"];
  return accepts(context, { header: "Accept", supports, default: "application/json" }) ===
    "text/plain";
}
