/**
 * Reads lines and Server-Sent Events from an answer that may never end.
 *
 * @module
 */

import { ClientError } from "./failure.ts";

/** One event: the lines between two empty lines. */
export interface ServerEvent {
  /** Its name; `message` when it has none. */
  readonly name: string;
  /** Its data, unchanged. */
  readonly data: string;
}

/** Most characters in one line: the longest is a change with two values, where a byte takes up to six. */
const LINE_LENGTH_MAX = 64 * 1024 * 1024;

/** When the reading of a stream ends. */
interface ReadOptions {
  /** The stream fails when nothing arrives for this long. */
  readonly silenceMs: number;
  /** Ends the reading without an error. */
  readonly signal?: AbortSignal;
}

/**
 * The lines of a stream. To leave the loop cancels the stream.
 *
 * @throws {ClientError} `unavailable`.
 */
export async function* readLines(
  body: ReadableStream<Uint8Array>,
  { silenceMs, signal }: ReadOptions,
): AsyncGenerator<string, void> {
  const reader = body.getReader();
  // The cancelling can fail when the other end has already closed the stream.
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
      if (rest.length > LINE_LENGTH_MAX) {
        throw new ClientError("failure", "A line of the answer is too long");
      }
      yield* lines;
    }
  } finally {
    signal?.removeEventListener("abort", cancel);
    cancel();
  }
}

/** The events of a stream, like {@linkcode readLines}. An event that is cut off is not returned. */
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

/** Waits with a timeout. A later failure of the promise is still handled. */
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
