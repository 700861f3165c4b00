/**
 * What Linux tells of a process.
 *
 * @module
 */

/** What can be asked of a process. */
export type ProcessFile = "cmdline" | "environ" | "status";

/**
 * Reads `/proc/PID/FILE`, with a program of the system's: Deno itself reads there only for whoever
 * may do everything, which a test need not.
 */
export function readProcess(pid: number, file: ProcessFile): Uint8Array {
  const { success, stdout, stderr } = new Deno.Command("cat", {
    args: [`/proc/${pid}/${file}`],
    stdin: "null",
  }).outputSync();
  if (success) return stdout;
  throw new Error(`Cannot read ${file} of ${pid}: ${new TextDecoder().decode(stderr)}`);
}
