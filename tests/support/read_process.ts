/**
 * What Linux tells of a process.
 *
 * @module
 */

/** What can be asked of a process. */
export type ProcessFile = "cmdline" | "environ" | "limits" | "status";

/**
 * Reads `/proc/PID/FILE` with a program of the system: Deno itself reads there only with all permissions, which a
 * test does not need.
 */
export function readProcess(pid: number, file: ProcessFile): Uint8Array {
  return run("cat", `/proc/${pid}/${file}`);
}

/** How many files and sockets a process holds open. */
export function countDescriptors(pid: number): number {
  return new TextDecoder().decode(run("ls", `/proc/${pid}/fd`)).trim().split("\n").length;
}

function run(program: string, path: string): Uint8Array {
  const { success, stdout, stderr } = new Deno.Command(program, {
    args: [path],
    stdin: "null",
  }).outputSync();
  if (success) return stdout;
  throw new Error(`Cannot read ${path}: ${new TextDecoder().decode(stderr)}`);
}
