/**
 * Where a node's log goes and what it looks like. Everything below `lib/cli` writes to
 * `getLogger(["floe", area])` of LogTape and knows nothing of this.
 *
 * @module
 */

import {
  configureSync,
  type LogLevel as TapeLevel,
  type LogRecord,
  resetSync,
} from "@logtape/logtape";
import type { CommandContext } from "./command.ts";
import { CommandError, ExitCode } from "./exit_code.ts";
import {
  formatJsonLine,
  formatTextLine,
  LOG_LEVELS,
  type LogEvent,
  type LogFormat,
  type LogLevel,
} from "./log_format.ts";
import { type ByteSink, LogWriter } from "./log_writer.ts";

/** A log's settings. */
export interface LogSettings {
  /** The least that is worth a line. */
  readonly level: LogLevel;
  /** The form of a line. */
  readonly format: LogFormat;
  /** Whether levels are coloured in text. */
  readonly colour: boolean;
}

/** A log that is being written. */
export interface Logging {
  /** Waits until all lines are written, and ends the log. */
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
 * The settings that flags and environment ask for: `--log-level` or `FLOE_LOG_LEVEL` (info),
 * `--log-format` or `FLOE_LOG_FORMAT` (text). Colour only for a person, and not under `NO_COLOR`.
 *
 * @throws {CommandError} usage, when a level or a format is not one.
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

/** Sends the whole process's log to `sink`, on behalf of `node`, until it is closed. */
export function startLogging(
  { level, format, colour, node, sink }: LogSettings & {
    readonly node: string;
    readonly sink: ByteSink;
  },
): Logging {
  const formatLine = format === "json"
    ? formatJsonLine
    : (event: LogEvent) => formatTextLine(event, { colour });
  const writer = new LogWriter(sink, (count) =>
    formatLine({
      timestamp: Date.now(),
      level: "warn",
      node,
      event: "log.dropped",
      properties: { count },
    }));
  configureSync({
    reset: true,
    sinks: { floe: (record: LogRecord) => writer.push(formatLine(toLogEvent(record, node))) },
    loggers: [
      { category: ["floe"], lowestLevel: TAPE_LEVELS[level], sinks: ["floe"] },
      { category: ["logtape", "meta"], lowestLevel: "warning", sinks: ["floe"] },
    ],
  });
  return {
    async close(): Promise<void> {
      resetSync();
      await writer.drain();
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
