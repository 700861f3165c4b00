/**
 * Runs `floe` in this process against nodes that are maps, and keeps what it prints.
 *
 * @module
 */

import { concatBytes, encodeUtf8 } from "../../lib/bytes.ts";
import { run } from "../../lib/cli/cli.ts";
import type { CommandContext, OutputStream } from "../../lib/cli/command.ts";
import type { Clock } from "../../lib/client/client.ts";
import type { NodeApi } from "../../lib/node/api.ts";
import { FakeNode, openApp } from "../http/fake_node.ts";

/** What is at an address: a node, an answer of its own, silence, or (absent) nothing. */
export type Host = NodeApi | ((request: Request) => Response | Promise<Response>) | "silent";

/** What `floe` runs in. */
export interface Surroundings {
  /** By `host:port`; two nodes can be asked under the names of {@linkcode ENDPOINTS}. */
  readonly hosts?: Readonly<Record<string, Host>>;
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: string | Uint8Array<ArrayBuffer>;
  readonly isTerminal?: boolean;
  /** What the person at the terminal types when asked for a passphrase; absent where nobody is there. */
  readonly typed?: readonly string[];
  readonly fetch?: typeof fetch;
  /** What stops a command that runs on; nothing does by default. */
  readonly stop?: AbortSignal;
  /** What runs in the place of programs. */
  readonly startChild?: CommandContext["startChild"];
  /** The time, in milliseconds since 1970. */
  readonly nowMs?: number;
  /** Sees what is printed when it is. */
  readonly onOutput?: (text: string) => void;
}

/** How `floe` ended and what it printed. */
export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stdoutBytes: Uint8Array;
  readonly stderr: string;
  /** Milliseconds that passed on the fake clock: nobody really waited for them. */
  readonly waitedMs: number;
  /** What the person was asked. */
  readonly questions: readonly string[];
  /** Method, host, path and query of every request, in order. */
  readonly requests: readonly string[];
}

export const ENDPOINTS = "a:1,b:1";

/** A node with these keys, each with the value `value of KEY`. */
export function nodeWith(...keys: readonly string[]): FakeNode {
  const node = new FakeNode();
  for (const key of keys) node.put(key, `value of ${key}`);
  return node;
}

/** Surroundings in which this node is the only one that answers. */
export function asked(node: FakeNode): Pick<Surroundings, "hosts"> {
  return { hosts: { "a:1": node } };
}

/** Runs `floe` with `args`; the endpoints are `a:1` and `b:1` unless the environment names others. */
export async function floe(
  args: readonly string[],
  surroundings: Surroundings = {},
): Promise<Outcome> {
  const stdout = new Capture(surroundings.isTerminal ?? false, surroundings.onOutput);
  const stderr = new Capture(false);
  const clock = new FakeClock();
  const requests: string[] = [];
  const questions: string[] = [];
  const env = surroundings.env ?? { FLOE_ENDPOINTS: ENDPOINTS };
  const person = fakePerson(surroundings.typed ?? [], questions);
  const context: CommandContext = {
    stdout,
    stderr,
    stdin: new Blob([surroundings.stdin ?? ""]).stream(),
    env: (name) => env[name],
    openFetch: () => surroundings.fetch ?? fakeFetch(surroundings.hosts ?? {}, requests),
    stopSignal: () => surroundings.stop ?? new AbortController().signal,
    ...(surroundings.startChild === undefined ? {} : { startChild: surroundings.startChild }),
    clock,
    now: () => surroundings.nowMs ?? Date.now(),
    ...(surroundings.typed === undefined ? {} : {
      askSecret: person,
      askLine: async (question: string) => new TextDecoder().decode(await person(question)),
    }),
  };
  const code = await run(args, context);
  return {
    code,
    stdout: stdout.text(),
    stdoutBytes: stdout.bytes(),
    stderr: stderr.text(),
    waitedMs: clock.now(),
    questions,
    requests,
  };
}

class FakeClock implements Clock {
  #now = 0;

  now(): number {
    return this.#now;
  }

  delay(milliseconds: number): Promise<void> {
    this.#now += milliseconds;
    return Promise.resolve();
  }
}

class Capture implements OutputStream {
  readonly isTerminal: boolean;
  readonly #written: Uint8Array[] = [];

  readonly #onOutput: (text: string) => void;

  constructor(isTerminal: boolean, onOutput: (text: string) => void = () => {}) {
    this.isTerminal = isTerminal;
    this.#onOutput = onOutput;
  }

  write(data: string | Uint8Array): void {
    this.#written.push(typeof data === "string" ? encodeUtf8(data) : data.slice());
    this.#onOutput(typeof data === "string" ? data : new TextDecoder().decode(data));
  }

  bytes(): Uint8Array {
    return concatBytes(...this.#written);
  }

  writeSome(bytes: Uint8Array): Promise<number> {
    this.write(bytes);
    return Promise.resolve(bytes.length);
  }

  text(): string {
    return new TextDecoder().decode(this.bytes());
  }
}

/** A stream that hands on what is written to it, as text. */
export function streamTo(take: (text: string) => void = () => {}): OutputStream {
  const write = (data: string | Uint8Array) =>
    take(typeof data === "string" ? data : new TextDecoder().decode(data));
  return {
    isTerminal: false,
    write,
    writeSome: (bytes) => {
      write(bytes);
      return Promise.resolve(bytes.length);
    },
  };
}

function fakePerson(
  typed: readonly string[],
  questions: string[],
): (question: string) => Promise<Uint8Array> {
  return (question) => {
    const answer = typed[questions.length];
    if (answer === undefined) throw new Error(`Asked once too often: ${question}`);
    questions.push(question);
    return Promise.resolve(new TextEncoder().encode(answer));
  };
}

function fakeFetch(
  hosts: Readonly<Record<string, Host>>,
  requests: string[],
): typeof fetch {
  const answers = new Map(Object.entries(hosts).map(([name, host]) => [name, answerOf(host)]));
  return async (input, init) => {
    const request = new Request(input, init);
    const { host, pathname, search } = new URL(request.url);
    requests.push(`${request.method} ${host}${pathname}${search}`);
    const answer = answers.get(host);
    if (answer === undefined) throw connectionRefused();
    return await answer(request);
  };
}

function answerOf(host: Host): (request: Request) => Response | Promise<Response> {
  if (host === "silent") {
    return () => Promise.reject(new DOMException("Signal timed out.", "TimeoutError"));
  }
  if (typeof host === "function") return host;
  const app = openApp(host);
  return (request) => app.fetch(request);
}

/** As Deno's fetch throws it; `real_server_test.ts` holds that against the real one. */
function connectionRefused(): TypeError {
  const cause = new Error(
    "error sending request for url (http://a:1/): client error (Connect): " +
      "tcp connect error: Connection refused (os error 111)",
  );
  return new TypeError("fetch failed", { cause });
}
