/**
 * Deno's HTTP on a single connection: the function that `Deno.serve` itself uses. With it, this process can limit
 * the connections. It is not a documented part of Deno, so this file checks whether it is there.
 *
 * @module
 */

export type AnswerRequest = (request: Request) => Promise<Response>;

/** A connection whose requests are answered. */
export interface ServedConnection {
  /** Resolves when the connection has ended, for any reason. Never rejects. */
  readonly finished: Promise<void>;
  /** Accepts no further request, and ends the connection after the running requests are answered. */
  shutdown(): void;
  /** Ends the connection now. */
  cancel(): void;
}

/** Serves HTTP on a connection, which it takes over. */
export type ServeConnection = (connection: Deno.Conn, answer: AnswerRequest) => ServedConnection;

/** The function that serves one connection; null if `deno` does not have the parts for it. */
export function findHttp(deno: object = Deno): ServeConnection | null {
  const serve = findServe(deno);
  if (serve === null) return null;
  return (connection, answer) => serveWith(serve, connection, answer);
}

function serveWith(
  serve: ServeHttpOnConnection,
  ...[connection, answer]: Parameters<ServeConnection>
): ServedConnection {
  let cancel = () => {};
  // Deno uses only this part of an AbortSignal. A real AbortSignal would report an unhandled error if the
  // connection ended at the same moment.
  const signal = { addEventListener: (_type: string, abort: () => void) => cancel = abort };
  // Deno gives no request to a function without a declared parameter.
  const handler: AnswerRequest = (request) => answer(request);
  const server = serve(connection, signal, handler, failed, () => {});
  let hasFinished = false;
  // It rejects when a TLS handshake fails; that concerns only the client.
  const finished = server.finished.catch(() => {}).then(() => void (hasFinished = true));
  return {
    finished,
    shutdown: () => void server.shutdown().catch(() => {}),
    cancel: () => {
      if (!hasFinished) ignoringClosed(cancel);
    },
  };
}

/** What this file needs of `serveHttpOnConnection` in Deno's `ext/http/00_serve.ts`. */
type ServeHttpOnConnection = (
  connection: Deno.Conn,
  signal: { addEventListener(type: string, abort: () => void): void },
  handler: AnswerRequest,
  onError: (error: unknown) => Response,
  onListen: () => void,
) => { readonly finished: Promise<void>; shutdown(): Promise<void> };

/** How many parameters it has; a function with another number is a different function. */
const SERVE_PARAMETERS = 5;

function findServe(deno: object): ServeHttpOnConnection | null {
  const internals: unknown = Reflect.get(deno, Reflect.get(deno, "internal"));
  const isObject = typeof internals === "object" && internals !== null;
  const serve: unknown = isObject ? Reflect.get(internals, "serveHttpOnConnection") : null;
  if (typeof serve === "function" && serve.length === SERVE_PARAMETERS) {
    return serve as ServeHttpOnConnection;
  }
  return null;
}

/** The application answers every error itself. This is the answer if the application's own error handling fails. */
export function failed(): Response {
  return new Response(null, { status: 500 });
}

function ignoringClosed(cancel: () => void): void {
  try {
    cancel();
  } catch (error) {
    if (!(error instanceof Deno.errors.BadResource)) throw error;
  }
}
