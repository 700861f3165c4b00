/**
 * What operators ask for.
 *
 * @module
 */

/** Every kind of change. */
export const CHANGE_KINDS = [
  "join",
  "promote",
  "remove",
  "replace",
  "refresh",
  "thresholdUp",
  "thresholdDown",
] as const;
/** One of {@linkcode CHANGE_KINDS}. */
export type ChangeKind = typeof CHANGE_KINDS[number];
