/**
 * Deno's HTTP server for a connection that was accepted here.
 *
 * `Deno.serve` accepts connections by itself, without end, and waits for each of them without end
 * (denoland/deno#3515): one client can take every descriptor that the process has, and a node without
 * descriptors loses its peers. `node:http` has all the limits that one needs, but a put through it
 * costs three times the time in this layer: 64 clients wrote 4,630 values a second through
 * `Deno.serve` and 3,480 through `node:http`. A proxy in front of `Deno.serve`, or a parser of our own,
 * would cost as much and be more to get wrong.
 *
 * So Floe uses the function that `Deno.serve` itself is made of, for one connection at a time. It is
 * not documented, only this file knows of it, and without it the API does not start.
 *
 * @module
 */

import { EnvironmentError } from "../errors.ts";

/** Answers a request. */
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

/**
 * What serves connections. `deno` is where it is looked for.
 *
 * @throws {EnvironmentError} where Deno does not have what it takes.
 */
export function openHttp(deno: object = Deno): ServeConnection {
  const serve = findServe(deno);
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

function findServe(deno: object): ServeHttpOnConnection {
  const internals: unknown = Reflect.get(deno, Reflect.get(deno, "internal"));
  const isObject = typeof internals === "object" && internals !== null;
  const serve: unknown = isObject ? Reflect.get(internals, "serveHttpOnConnection") : null;
  if (typeof serve === "function" && serve.length === SERVE_PARAMETERS) {
    return serve as ServeHttpOnConnection;
  }
  throw new EnvironmentError(
    `Cannot serve the API: Deno ${Deno.version.deno} does not let Floe bound its connections. ` +
      "Run Floe with Deno 2.9.6: npx -y deno@2.9.6",
  );
}

/** The application answers every error itself; this is for one in its own machinery. */
function failed(): Response {
  return new Response(null, { status: 500 });
}

function ignoringClosed(cancel: () => void): void {
  try {
    cancel();
  } catch (error) {
    if (!(error instanceof Deno.errors.BadResource)) throw error;
  }
}
