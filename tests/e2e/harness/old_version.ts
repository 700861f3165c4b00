/**
 * An earlier version of Floe, out of the repository's own history.
 *
 * @module
 */

import { FORMAT_VERSION } from "../../../lib/storage/open_database.ts";
import { PROTOCOL_VERSION } from "../../../lib/transport/hello.ts";
import { runFloe } from "./floe_process.ts";

const ROOT = new URL("../../../", import.meta.url).pathname;

/** The sources of a version in a folder of their own. */
export class OldVersion implements Disposable {
  /** The folder. */
  readonly path = Deno.makeTempDirSync({ prefix: "floe-old-" });

  private constructor() {}

  /** Takes a commit out of the history; null where the history or its packages are not here. */
  static async take(commit: string): Promise<OldVersion | null> {
    const old = new OldVersion();
    const archive = git("archive", "--format=tar", `--output=${old.path}/all.tar`, commit);
    const args = ["-xf", `${old.path}/all.tar`, "-C", old.path];
    const isHere = archive !== null && new Deno.Command("tar", { args }).outputSync().success;
    if (isHere && (await runFloe(["--version"], { main: old.main })).code === 0) return old;
    old[Symbol.dispose]();
    return null;
  }

  /** Its program. */
  get main(): string {
    return `${this.path}/main.ts`;
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.path, { recursive: true });
  }
}

/** Whether nodes of a version and of this one can be in one cluster, on the same folders. */
export function canMeet(commit: string): boolean {
  const has = (file: string, declaration: string) =>
    git("show", `${commit}:${file}`)?.includes(declaration) ?? false;
  return has("lib/transport/hello.ts", `PROTOCOL_VERSION = ${PROTOCOL_VERSION};`) &&
    has("lib/storage/open_database.ts", `FORMAT_VERSION = "${FORMAT_VERSION}";`);
}

function git(...args: readonly string[]): string | null {
  try {
    const { success, stdout } = new Deno.Command("git", {
      args: ["-C", ROOT, ...args],
      stderr: "null",
    }).outputSync();
    return success ? new TextDecoder().decode(stdout) : null;
  } catch {
    return null;
  }
}
