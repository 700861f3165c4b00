/**
 * Reading V8's CPU profiles: where the time goes, in a few lines.
 *
 * @module
 */

/** What is read of a `.cpuprofile`. */
interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: {
      readonly functionName: string;
      readonly url: string;
      readonly lineNumber: number;
    };
  }[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

/** A function's own time, without that of what it calls. */
export interface OwnTime {
  readonly name: string;
  readonly ms: number;
  readonly percent: number;
}

const SHOWN_MAX = 45;

/** Reads a profile. */
export function readProfile(path: string): CpuProfile {
  return JSON.parse(Deno.readTextFileSync(path));
}

/** The functions in which most of the time goes. What the thread waited is named `(idle)` or `(program)`. */
export function summarizeProfile({ nodes, samples, timeDeltas }: CpuProfile): readonly OwnTime[] {
  const names = new Map(nodes.map(({ id, callFrame }) => [id, nameOf(callFrame)]));
  const own = new Map<string, number>();
  let total = 0;
  for (const [at, id] of samples.entries()) {
    const name = names.get(id) ?? "?";
    const microseconds = timeDeltas[at] ?? 0;
    own.set(name, (own.get(name) ?? 0) + microseconds);
    total += microseconds;
  }
  return [...own].sort(([, left], [, right]) => right - left).slice(0, SHOWN_MAX)
    .map(([name, microseconds]) => ({
      name,
      ms: Math.round(microseconds / 1000),
      percent: Math.round(microseconds / total * 1000) / 10,
    }));
}

function nameOf(
  { functionName, url, lineNumber }: CpuProfile["nodes"][number]["callFrame"],
): string {
  const file = url.split("/").slice(-2).join("/");
  return `${functionName || "(anonymous)"} ${file}${file === "" ? "" : `:${lineNumber + 1}`}`;
}
