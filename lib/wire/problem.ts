/**
 * The body of every refusal and every failure.
 *
 * @module
 */

import * as z from "zod";
import type { Schema } from "./store.ts";

const count = z.number().int().nonnegative();
const text = z.string();

const problem = z.object({
  /** Always this value, because the `code` says more than a URI (RFC 9457 §4.2.1). */
  type: z.literal("about:blank"),
  title: text,
  status: count,
  /** One of `PROBLEM_STATUS`. A client accepts any code, because the node may have a later version. */
  code: text,
  detail: text,
  /** For writes: whether the write may still take effect, or may have taken effect. */
  maybeApplied: z.boolean().optional(),
  /** For `compacted`: reads are possible at this revision and later ones, watches only after it. */
  oldestRevision: count.optional(),
  /** When it is useful to try again, in milliseconds from now. */
  retryAfterMs: z.number().nonnegative().optional(),
}).readonly();

/**
 * Every refusal and every failure, in the order in which its members are sent.
 *
 * @internal
 */
export type ProblemBody = z.infer<typeof problem>;

/** Reads a problem document. */
export const problemSchema: Schema<ProblemBody> = problem;
