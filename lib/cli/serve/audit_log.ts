/**
 * The audit log: a file with one JSON object a line for each request that could change something.
 *
 * @module
 */

import { getLogger } from "@logtape/logtape";
import type { AuditSink } from "../../http/mod.ts";
import { OutputQueue } from "../output_queue.ts";
import { RotatingFile } from "../rotating_file.ts";

/** An open audit log. */
export interface AuditLog {
  /** Writes a record in the background. When the disk is full, records are lost and counted. */
  readonly record: AuditSink;
  /** Waits for the last records, and closes the file. */
  close(): Promise<void>;
}

/** Opens the audit log of a node. `now` is the time in milliseconds since 1970. */
export function openAuditLog(
  path: string,
  { bytesMax, now = Date.now }: { readonly bytesMax?: number; readonly now?: () => number } = {},
): AuditLog {
  const logger = getLogger(["floe", "node"]);
  const toLine = (fields: object) =>
    `${JSON.stringify({ time: new Date(now()).toISOString(), ...fields })}\n`;
  const file = new RotatingFile(path, {
    ...(bytesMax === undefined ? {} : { bytesMax }),
    onFailure: (reason) => logger.error("audit.lost", { file: path, reason }),
    // The line before may have been cut off.
    describeLost: (bytes) => `\n${toLine({ event: "lost", bytes })}`,
  });
  const sink = {
    writeSome: async (bytes: Uint8Array) => {
      await file.append(bytes);
      return bytes.length;
    },
  };
  const queue = new OutputQueue(sink, (records) => toLine({ event: "dropped", records }));
  return {
    record: (record) => queue.write(toLine(record)),
    close: async () => {
      await queue.drain();
      file.close();
    },
  };
}
