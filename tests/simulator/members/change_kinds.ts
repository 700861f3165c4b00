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

/** Every kind of plan: what an operator's command asks for, however many changes it takes. */
export const PLAN_KINDS = [
  "planAdd",
  "planRemove",
  "planReplace",
  "planReplaceLost",
  "planRefresh",
  "planThreshold",
] as const;
/** One of {@linkcode PLAN_KINDS}. */
export type PlanKind = typeof PLAN_KINDS[number];
