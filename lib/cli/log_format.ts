/**
 * How one log record becomes one line: for programs as JSON, for people as aligned text.
 *
 * @module
 */

import { encodeHex } from "../bytes.ts";

/** The two forms of a log. */
export type LogFormat = "json" | "text";

/** How much a log says; each level includes those after it. */
export const LOG_LEVELS = ["debug", "info", "warn", "error"] as const;
/** One of the levels. */
export type LogLevel = typeof LOG_LEVELS[number];

/** One thing that happened. */
export interface LogEvent {
  /** Milliseconds since the Unix epoch. */
  readonly timestamp: number;
  /** Its level. */
  readonly level: LogLevel;
  /** The node's id, or another name for who is speaking. */
  readonly node: string;
  /** Its stable name: `election.won`. */
  readonly event: string;
  /** What belongs to it; `record` is shown as JSON in both forms. */
  readonly properties: Readonly<Record<string, unknown>>;
}

/**
 * One JSON object: `time` (ISO 8601, UTC), `level`, `event`, `node`, then the event's own
 * properties. Bytes are hex, errors are their name, message and causes.
 */
export function formatJsonLine({ timestamp, level, event, node, properties }: LogEvent): string {
  const fixed = { time: new Date(timestamp).toISOString(), level, event, node };
  return `${toJson({ ...fixed, ...properties, ...fixed })}\n`;
}

const EVENT_WIDTH = 24;
const LEVEL_WIDTH = 5;
/** Select Graphic Rendition codes (ECMA-48 §8.3.117): dim, cyan, yellow, red. */
const LEVEL_COLOURS: Readonly<Record<LogLevel, number>> = {
  debug: 2,
  info: 36,
  warn: 33,
  error: 31,
};

/**
 * `12:00:00.000 info  server_1 election.won             term=3`: the time is UTC; values that could
 * be misread, or could control a terminal, are quoted.
 */
export function formatTextLine(
  { timestamp, level, event, node, properties }: LogEvent,
  options: { readonly colour: boolean },
): string {
  const time = new Date(timestamp).toISOString().slice("2026-01-01T".length, -"Z".length);
  const paddedLevel = level.padEnd(LEVEL_WIDTH);
  const shownLevel = options.colour
    ? `\x1b[${LEVEL_COLOURS[level]}m${paddedLevel}\x1b[0m`
    : paddedLevel;
  const shown = Object.entries(properties).map(([name, value]) =>
    name === "record" ? escapeControls(toJson(value)) : `${name}=${toText(value)}`
  );
  return `${time} ${shownLevel} ${node} ${event.padEnd(EVENT_WIDTH)} ${shown.join(" ")}`.trimEnd() +
    "\n";
}

function toText(value: unknown): string {
  const text = typeof value === "string" ? value : toJson(value);
  if (typeof value !== "string") return escapeControls(text);
  return /^[\w.:/@+*-]+$/.test(text) ? text : escapeControls(JSON.stringify(text));
}

/** JSON leaves DEL and the C1 controls as they are, and a terminal may obey them. */
function escapeControls(json: string): string {
  return json.replace(
    /[\u007f-\u009f\u2028\u2029]/g,
    (control) => `\\u${control.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** Never fails: a log line must not be what stops a node. */
function toJson(value: unknown): string {
  try {
    return JSON.stringify(value, toPlain) ?? "null";
  } catch {
    return JSON.stringify("(cannot be shown)");
  }
}

function toPlain(_name: string, value: unknown): unknown {
  if (typeof value === "bigint") return value.toString();
  if (value instanceof Uint8Array) return encodeHex(value);
  if (value instanceof Error) return describeError(value);
  return value;
}

function describeError(error: Error): string {
  const own = `${error.name}: ${error.message}`;
  return error.cause instanceof Error ? `${own}; because of ${describeError(error.cause)}` : own;
}
