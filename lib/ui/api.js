// @ts-check
/// <reference lib="dom" />

/**
 * The node's API, as the page uses it. The token is in memory, here and nowhere else.
 *
 * @module
 */

/** A refusal, with the code that says what it is. */
export class Refusal extends Error {
  /**
   * @param {string} code
   * @param {string} detail
   */
  constructor(code, detail) {
    super(detail);
    this.code = code;
  }
}

/**
 * One Server-Sent Event.
 *
 * @typedef {object} ServerEvent
 * @property {string} event Its name; empty where it has none.
 * @property {any} data
 */

let token = "";

/** @param {string} text Empty for none. */
export function setToken(text) {
  token = text;
}

/** Whether requests have a token. */
export function hasToken() {
  return token !== "";
}

/**
 * What a path answers.
 *
 * @param {string} path
 * @returns {Promise<any>}
 */
export async function get(path) {
  return await (await ask(path, {})).json();
}

/**
 * The events of a stream, until it ends or `signal` aborts. `EventSource` cannot send a token.
 *
 * @param {string} path
 * @param {AbortSignal} [signal]
 * @returns {AsyncGenerator<ServerEvent>}
 */
export async function* events(path, signal) {
  const response = await ask(path, signal === undefined ? {} : { signal });
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  while (reader !== undefined) {
    const { value, done } = await reader.read();
    if (done) return;
    const parts = (text + value).split("\n\n");
    text = parts.pop() ?? "";
    for (const part of parts) yield readEvent(part);
  }
}

/**
 * @param {string} path
 * @param {RequestInit} init
 */
async function ask(path, init) {
  const headers = token === "" ? {} : { authorization: `Bearer ${token}` };
  const response = await fetch(path, { ...init, headers, cache: "no-store" });
  if (response.ok) return response;
  const problem = await response.json().catch(() => ({}));
  throw new Refusal(
    problem.code ?? "failed",
    problem.detail ?? `The node answered ${response.status}`,
  );
}

/**
 * @param {string} text
 * @returns {ServerEvent}
 */
function readEvent(text) {
  let event = "";
  let data = "";
  for (const line of text.split("\n")) {
    if (line.startsWith("event: ")) event = line.slice("event: ".length);
    if (line.startsWith("data: ")) data += line.slice("data: ".length);
  }
  return { event, data: data === "" ? null : JSON.parse(data) };
}
