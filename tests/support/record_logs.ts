/**
 * What a piece of code writes to the log.
 *
 * @module
 */

import { configure, reset } from "@logtape/logtape";

/** One record: its level in LogTape's words, its event and what belongs to it. */
export interface TestLogRecord {
  readonly level: string;
  readonly event: string;
  readonly properties: Readonly<Record<string, unknown>>;
}

/** Runs `code`, and returns what it wrote. The log is the process's own: one such test at a time. */
export async function recordLogs(
  code: () => void | Promise<void>,
): Promise<readonly TestLogRecord[]> {
  const records: TestLogRecord[] = [];
  await configure({
    reset: true,
    sinks: {
      memory: ({ level, message, properties }) =>
        void records.push({ level, event: message.join(""), properties }),
    },
    loggers: [
      { category: ["floe"], sinks: ["memory"], lowestLevel: "debug" },
      { category: ["logtape", "meta"], sinks: [] },
    ],
  });
  try {
    await code();
  } finally {
    await reset();
  }
  return records;
}
