/**
 * Running the Deno that runs this script.
 *
 * @module
 */

/** How a run of Deno ended. */
export interface DenoRun {
  /** Whether it exited with 0. */
  readonly success: boolean;
  /** What it wrote to stderr. */
  readonly messages: string;
}

/** Runs Deno to its end, quietly. */
export async function runDeno(args: readonly string[]): Promise<DenoRun> {
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [...args],
    stdin: "null",
    stdout: "null",
    stderr: "piped",
    env: { NO_COLOR: "1" },
  }).output();
  return { success, messages: new TextDecoder().decode(stderr) };
}
