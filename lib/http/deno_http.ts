/**
 * Deno's HTTP on a single connection: what `Deno.serve` is made of, so that this process can bound the
 * connections itself. Deno does not promise it, so it is looked for, and may be missing.
 *
 * @module
 */

export type AnswerRequest = (request: Request) => Promise<Response>;

/** A connection whose requests are answered. */
export interface ServedConnection {
  /** Settles when the connection has ended, however that came. Never rejects. */
  readonly finished: Promise<void>;
  /** Takes no further request, and ends the connection once those under way are answered. */
  shutdown(): void;
  /** Ends the connection now. */
  cancel(): void;
}

/** Serves HTTP on a connection, which it takes over. */
export type ServeConnection = (connection: Deno.Conn, answer: AnswerRequest) => ServedConnection;

/** What serves connections one by one; null where `deno` does not have what it takes. */
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
  // Of an AbortSignal only this is used. A real one would report an error as unhandled where the
  // connection has ended in the same moment.
  const signal = { addEventListener: (_type: string, abort: () => void) => cancel = abort };
  // Deno hands over no request to a function that declares no parameter.
  const handler: AnswerRequest = (request) => answer(request);
  const server = serve(connection, signal, handler, failed, () => {});
  let hasFinished = false;
  // It rejects for a TLS handshake that fails: that is the client's affair.
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

/** How many parameters it has: with others, it is another function. */
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

/** The application answers every error itself; this is for one in its own machinery. */
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
