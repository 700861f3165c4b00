/**
 * What every node of a cluster says to the same question: its answer, or why there is none.
 *
 * @module
 */

import type { Attempt, ClientAnswer } from "./client.ts";
import { CommandError } from "./exit_code.ts";
import type { Endpoint } from "./options.ts";

/** One node's answer, or why it says nothing of use. */
export type View<Body> =
  | { readonly endpoint: Endpoint; readonly body: Body; readonly error: null }
  | { readonly endpoint: Endpoint; readonly body: null; readonly error: string };

/** What came of asking one node; `read` throws a `CommandError` for what is not the API's answer. */
export function toView<Body>(attempt: Attempt, read: (answer: ClientAnswer) => Body): View<Body> {
  if (attempt.kind === "failure") {
    return { endpoint: attempt.endpoint, body: null, error: attempt.failure.reason };
  }
  const { endpoint } = attempt.answer;
  try {
    return { endpoint, body: read(attempt.answer), error: null };
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    return { endpoint, body: null, error: "does not answer as Floe's API does" };
  }
}

/** The view as data: where it was asked for, whether it came, and what it says. */
export function toViewJson({ endpoint, body, error }: View<object>): Record<string, unknown> {
  const reachable = body !== null;
  return {
    endpoint: endpoint.label,
    reachable,
    ...(reachable ? body : { id: endpoint.id, error }),
  };
}
