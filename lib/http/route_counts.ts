/**
 * How many requests each route has answered, for `/metrics`.
 *
 * @module
 */

/** The methods that are counted under their own names. */
const METHODS = ["GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS"];

/** A count of answers that have the same labels. */
export interface RouteCount {
  /** The HTTP method; `other` for an unusual one. */
  readonly method: string;
  /** The path as the API names it, as in `/v1/kv/:key`. */
  readonly route: string;
  /** The HTTP status. */
  readonly status: number;
  /** How many there were. */
  count: number;
}

/** Counts answers. Routes, methods and statuses are few, whatever clients ask for. */
export class RouteCounts {
  readonly #counts = new Map<string, RouteCount>();

  /** Counts one answer. `route` must be one of the API's own. */
  count(method: string, route: string, status: number): void {
    const known = METHODS.includes(method) ? method : "other";
    const key = `${known} ${status} ${route}`;
    const found = this.#counts.get(key);
    if (found === undefined) this.#counts.set(key, { method: known, route, status, count: 1 });
    else found.count++;
  }

  /** All counts. */
  get all(): readonly Readonly<RouteCount>[] {
    return [...this.#counts.values()];
  }
}
