/**
 * Started by `npx`, a program is not told when npx is: npm passes a signal on to the shell between
 * them, and that shell to nobody. So a cluster that npx started looks whether both are still there.
 *
 * @module
 */

/** How often to look, in milliseconds. */
const INTERVAL_MS = 1_000;
/** npx, its shell, `deno task` and this process: no more than that is between them. */
const ANCESTORS_MAX = 4;

/** One process, as Linux tells of it. */
export interface ProcessStat {
  /** Its id. */
  readonly pid: number;
  /** Its name, at most 15 characters. */
  readonly name: string;
  /** Its parent's id. */
  readonly parent: number;
}

/**
 * Aborts when the `npx` that this process comes from, or a process between them, has ended. Never
 * does where there is no npx, or no /proc to find it by; then the terminal's signals must do.
 */
export async function npxGone(): Promise<AbortSignal> {
  const gone = new AbortController();
  const chain = await findNpxChain();
  if (chain.length > 0) {
    const timer = setInterval(async () => {
      if ((await readStats(chain)).length === chain.length) return;
      clearInterval(timer);
      gone.abort();
    }, INTERVAL_MS);
    Deno.unrefTimer(timer);
  }
  return gone.signal;
}

/** The processes from this one's parent up to npm, or none when npm is not among them. */
async function findNpxChain(): Promise<number[]> {
  const chain: number[] = [];
  let pid = Deno.ppid;
  while (chain.length < ANCESTORS_MAX) {
    const [stat] = await readStats([pid]);
    if (stat === undefined) return [];
    chain.push(pid);
    if (stat.name.startsWith("npm ")) return chain;
    pid = stat.parent;
  }
  return [];
}

/** Those of `pids` that are running. Deno itself opens nothing in /proc, so `cat` does. */
async function readStats(pids: readonly number[]): Promise<ProcessStat[]> {
  try {
    const { stdout } = await new Deno.Command("cat", {
      args: pids.map((pid) => `/proc/${pid}/stat`),
      stdin: "null",
      stderr: "null",
    }).output();
    return new TextDecoder().decode(stdout).split("\n").flatMap(parseStat);
  } catch {
    return [];
  }
}

/** `proc_pid_stat(5)`: the id, the name in parentheses, the state (Z: has ended), the parent. */
export function parseStat(line: string): ProcessStat[] {
  const match = /^([0-9]+) \((.*)\) ([A-Za-z]) ([0-9]+) /.exec(line);
  if (match === null || match[3] === "Z" || match[3] === "X") return [];
  return [{ pid: Number(match[1]), name: match[2] ?? "", parent: Number(match[4]) }];
}
