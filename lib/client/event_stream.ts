/**
 * Reads lines and Server-Sent Events from an answer that may go on for ever.
 *
 * @module
 */

import { ClientError } from "./failure.ts";

/** What stands between two empty lines. */
export interface ServerEvent {
  /** Its name; `message` where it has none. */
  readonly name: string;
  /** Its data, as they came. */
  readonly data: string;
}

/** Most characters of one line: a change with two values, each character of which takes six. */
const LINE_LENGTH_MAX = 64 * 1024 * 1024;

/** How long a stream is read. */
interface ReadOptions {
  /** It fails when nothing comes for so long. */
  readonly silenceMs: number;
  /** Ends it in order. */
  readonly signal?: AbortSignal;
}

/**
 * The lines of a stream. Leaving the loop cancels the stream.
 *
 * @throws {ClientError} `unavailable`.
 */
export async function* readLines(
  body: ReadableStream<Uint8Array>,
  { silenceMs, signal }: ReadOptions,
): AsyncGenerator<string, void> {
  const reader = body.getReader();
  // The other end may be gone already.
  const cancel = () => void reader.cancel().catch(() => {});
  signal?.addEventListener("abort", cancel, { once: true });
  if (signal?.aborted === true) cancel();
  const decoder = new TextDecoder();
  let rest = "";
  try {
    while (true) {
      const { done, value } = await within(reader.read(), silenceMs);
      if (done) return;
      rest += decoder.decode(value, { stream: true });
      const lines = rest.split("\n");
      rest = lines.pop() ?? "";
      if (rest.length > LINE_LENGTH_MAX) throw new ClientError("failure", "A line has no end");
      yield* lines;
    }
  } finally {
    signal?.removeEventListener("abort", cancel);
    cancel();
  }
}

/** The events of a stream, as {@linkcode readLines}. Of those that break off nothing comes. */
export async function* readEvents(
  body: ReadableStream<Uint8Array>,
  options: ReadOptions,
): AsyncGenerator<ServerEvent, void> {
  let name = "message";
  let data = "";
  for await (const line of readLines(body, options)) {
    if (line === "") {
      if (data !== "") yield { name, data };
      name = "message";
      data = "";
      continue;
    }
    const [field = "", ...value] = line.split(": ");
    if (field === "event") name = value.join(": ");
    if (field === "data") data += value.join(": ");
  }
}

/** Waits for something that is watched even if the wait is over. */
async function within<Result>(waiting: Promise<Result>, timeoutMs: number): Promise<Result> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(
      () => reject(new ClientError("unavailable", `Nothing came for ${timeoutMs / 1000} s`)),
      timeoutMs,
    );
  });
  try {
    return await Promise.race([waiting, late]);
  } finally {
    clearTimeout(timer);
  }
}
