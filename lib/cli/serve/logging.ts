/**
 * A node's log: its destination and its format. The folders below `lib/cli` write to
 * `getLogger(["floe", area])` of LogTape.
 *
 * @module
 */

import {
  configureSync,
  type LogLevel as TapeLevel,
  type LogRecord,
  resetSync,
} from "@logtape/logtape";
import { encodeHex } from "../../bytes.ts";
import type { ByteSink, CommandContext } from "../command.ts";
import { CommandError, ExitCode } from "../failure.ts";
import { OutputQueue } from "../output_queue.ts";

interface LogSettings {
  /** The lowest level that is logged. */
  readonly level: LogLevel;
  /** The form of a line. */
  readonly format: LogFormat;
  /** Whether levels are coloured in text. */
  readonly colour: boolean;
}

/** An open log. */
interface Logging {
  /** Ends the log. Waits for the last lines, unless the reader does not read. */
  close(): Promise<void>;
}

const LOG_FORMATS = ["text", "json"] as const;
const TAPE_LEVELS: Readonly<Record<LogLevel, TapeLevel>> = {
  debug: "debug",
  info: "info",
  warn: "warning",
  error: "error",
};
const LEVELS: Readonly<Record<TapeLevel, LogLevel>> = {
  trace: "debug",
  debug: "debug",
  info: "info",
  warning: "warn",
  error: "error",
  fatal: "error",
};

/**
 * The settings from the options and variables: `--log-level` or `FLOE_LOG_LEVEL` (info), `--log-format` or
 * `FLOE_LOG_FORMAT` (text). Colours only on a terminal, and not with `NO_COLOR`.
 *
 * @throws {CommandError} usage, when a level or a format does not exist.
 */
export function readLogSettings(
  flags: { readonly logLevel?: string; readonly logFormat?: string },
  context: CommandContext,
): LogSettings {
  const level = flags.logLevel ?? context.env("FLOE_LOG_LEVEL") ?? "info";
  const format = flags.logFormat ?? context.env("FLOE_LOG_FORMAT") ?? "text";
  return {
    level: oneOf(LOG_LEVELS, level, "--log-level or FLOE_LOG_LEVEL"),
    format: oneOf(LOG_FORMATS, format, "--log-format or FLOE_LOG_FORMAT"),
    colour: context.stderr.isTerminal && context.env("NO_COLOR") === undefined,
  };
}

/** Sends the process's log to `sink` until it is closed. Each line has the name `node`. */
export function startLogging(
  { level, format, colour, node, sink }: LogSettings & {
    readonly node: string;
    readonly sink: ByteSink;
  },
): Logging {
  const formatLine = format === "json" ? formatJsonLine : textFormatter({ colour });
  const queue = new OutputQueue(sink, (count) =>
    formatLine({
      timestamp: Date.now(),
      level: "warn",
      node,
      event: "log.dropped",
      properties: { count },
    }) ?? "");
  configureSync({
    reset: true,
    sinks: {
      floe(record: LogRecord): void {
        const line = formatLine(toLogEvent(record, node));
        if (line !== null) queue.write(line);
      },
    },
    loggers: [
      { category: ["floe"], lowestLevel: TAPE_LEVELS[level], sinks: ["floe"] },
      { category: ["logtape", "meta"], lowestLevel: "warning", sinks: ["floe"] },
    ],
  });
  return {
    async close(): Promise<void> {
      resetSync();
      await queue.drain();
    },
  };
}

function toLogEvent(record: LogRecord, node: string): LogEvent {
  const { timestamp, level, rawMessage, properties } = record;
  const event = typeof rawMessage === "string" ? rawMessage : rawMessage.join("");
  return { timestamp, level: LEVELS[level], node, event, properties };
}

function oneOf<Value extends string>(
  values: readonly Value[],
  text: string,
  source: string,
): Value {
  const value = values.find((candidate) => candidate === text);
  if (value !== undefined) return value;
  throw new CommandError(
    ExitCode.usage,
    `${source} is ${JSON.stringify(text)}; it can be ${values.join(", ")}`,
  );
}

/** The two forms of a log. */
export type LogFormat = "json" | "text";

/** The levels of a log. Each includes those after it. */
const LOG_LEVELS = ["debug", "info", "warn", "error"] as const;
export type LogLevel = typeof LOG_LEVELS[number];

/** What one line says. */
export interface LogEvent {
  /** Milliseconds since the Unix epoch. */
  readonly timestamp: number;
  readonly level: LogLevel;
  /** The node's id, or another name for the source. */
  readonly node: string;
  /** Its stable name: `election.won`. */
  readonly event: string;
  /** Its details. `record` is JSON in both formats. */
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
 * `2026-01-31 12:00:00.000 info  server_1 election.won             term=3`: the time is UTC. Values with white space,
 * quotes or control characters are quoted.
 */
export function formatTextLine(
  { timestamp, level, event, node, properties }: LogEvent,
  options: { readonly colour: boolean },
): string {
  const time = new Date(timestamp).toISOString().replace("T", " ").slice(0, -"Z".length);
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

/** How long the same line is not written again, for people. */
const REPEAT_MS = 60_000;
/** Most lines that are remembered for that. */
const REMEMBERED_LINES_MAX = 64;

/**
 * Formats text for people, who do not read one line again every second, as of a node that tries to be elected: the
 * same event with the same details gives null for {@linkcode REPEAT_MS}, and then a line that says how often it
 * `repeated`. Errors are always written. JSON, for programs, has every event.
 */
export function textFormatter(
  { colour }: { readonly colour: boolean },
): (event: LogEvent) => string | null {
  const written = new Map<string, { readonly atMs: number; repeated: number }>();
  return (event) => {
    const { level, event: name, properties, timestamp } = event;
    if (level === "error" || level === "debug") return formatTextLine(event, { colour });
    const key = `${name} ${toJson(properties)}`;
    const last = written.get(key);
    if (last !== undefined && Math.abs(timestamp - last.atMs) < REPEAT_MS) {
      last.repeated++;
      return null;
    }
    const [oldest] = written.keys();
    written.delete(key);
    if (written.size >= REMEMBERED_LINES_MAX && oldest !== undefined) written.delete(oldest);
    written.set(key, { atMs: timestamp, repeated: 0 });
    const repeated = last?.repeated ?? 0;
    const more = repeated === 0 ? properties : { ...properties, repeated };
    return formatTextLine({ ...event, properties: more }, { colour });
  };
}

function toText(value: unknown): string {
  const text = typeof value === "string" ? value : toJson(value);
  if (typeof value !== "string") return escapeControls(text);
  return /^[\w.:/@+*-]+$/.test(text) ? text : escapeControls(JSON.stringify(text));
}

/** Escapes DEL and the C1 controls, which JSON does not, and which can control a terminal. */
function escapeControls(json: string): string {
  return json.replace(
    /[\u007f-\u009f\u2028\u2029]/g,
    (control) => `\\u${control.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** Never throws: a log line must not stop a node. */
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
