/**
 * Requests that are sent once.
 *
 * Deno's `fetch` sends a request again by itself when it went out over a connection from its pool and
 * that broke before the answer (denoland/deno#32566, #36415): it takes the connection for stale. But
 * a node that dies has perhaps done what the request asked. The second sending would do it twice, and
 * where nobody listens any more, its error says that there was no connection, which reads as if
 * nothing had ever been sent. On a connection of its own a request is sent once, and the error is about
 * that.
 *
 * @module
 */

/** Sends each request over a new connection. Lets go of all of them when it is disposed of. */
export class FreshConnections implements Disposable {
  readonly #caCerts: readonly string[];
  #client: Deno.HttpClient | null = null;

  /** HTTPS is trusted by `caCerts`, PEM, besides those that the system trusts. */
  constructor(caCerts: readonly string[] = []) {
    this.#caCerts = caCerts;
  }

  /** As the global `fetch`, without its pool. */
  readonly fetch: typeof fetch = (input, init) => {
    this.#client ??= Deno.createHttpClient({ poolMaxIdlePerHost: 0, caCerts: [...this.#caCerts] });
    return fetch(input, { ...init, client: this.#client });
  };

  /** Ends what is left of connections. */
  [Symbol.dispose](): void {
    this.#client?.close();
    this.#client = null;
  }
}
