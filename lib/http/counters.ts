/**
 * What is counted at the API's door.
 *
 * @module
 */

/** What is counted, from the server's start. */
export type ApiCounter =
  /** Requests without a token that is known here. */
  | "api.unauthorized"
  /** Requests with a token that does not allow them. */
  | "api.forbidden"
  /** Requests of pages that have no business here, or under a name that is not this API's. */
  | "api.stranger"
  /** Connections refused because each of those there were had a request under way. */
  | "api.connection_refused"
  /** Connections without a request under way that made room for another. */
  | "api.connection_evicted"
  /** Connections that were silent, or slow, for too long. */
  | "api.connection_expired";

/** Counts. */
export class ApiCounters {
  readonly #counts: Record<ApiCounter, number> = {
    "api.unauthorized": 0,
    "api.forbidden": 0,
    "api.stranger": 0,
    "api.connection_refused": 0,
    "api.connection_evicted": 0,
    "api.connection_expired": 0,
  };

  /** A copy of what was counted so far. */
  get counts(): Readonly<Record<ApiCounter, number>> {
    return { ...this.#counts };
  }

  /** Counts one. */
  count(counter: ApiCounter): void {
    this.#counts[counter]++;
  }
}
