/**
 * A node's folder on a disk of its own that can be filled up.
 *
 * The disk is a tmpfs in a mount namespace that one process holds and that nobody else sees. When
 * that process ends, which it does when its standard input ends, namespace and disk are gone: nothing
 * is left mounted, whatever becomes of the process that asked for it.
 *
 * @module
 */

import { assertDefined } from "../../lib/assert.ts";
import { encodeUtf8 } from "../../lib/bytes.ts";

/**
 * Mounts over the folder $1, of size $2, with what was in it, and obeys. The working folder stays the
 * one below the mount, so that the last command can leave a copy where everyone sees it.
 */
const HOLDER_SCRIPT = `
cd "$1" && mount -t tmpfs -o "size=$2,mode=0700" floe-chaos "$1" && cp -p ./* "$1"/ || exit 1
echo done
while read -r command; do
  case $command in
    fill) cat /dev/zero > "$1"/ballast ;;
    free) rm -f "$1"/ballast ;;
    copy) rm -f "$1"/ballast; cp -rp "$1"/. . ;;
  esac 2>/dev/null
  echo done
done
`;

/** What the disk can be told. */
type DiskCommand = "fill" | "free" | "copy";

/** Why there is no small disk here. */
export class NoSmallDiskError extends Error {
  /** Distinguishes this error in `catch` clauses. */
  override readonly name = "NoSmallDiskError";
}

/** See the module. */
export class SmallDisk implements AsyncDisposable {
  readonly #holder: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>;
  readonly #output: ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>;

  private constructor(holder: Deno.ChildProcess) {
    this.#holder = holder;
    this.#input = assertDefined(holder.stdin, "a holder's input is a pipe").getWriter();
    this.#output = holder.stdout.getReader();
  }

  /**
   * Puts a folder, with what is in it, on a disk of so many bytes.
   *
   * @throws {NoSmallDiskError} where the system does not permit it.
   */
  static async mount(folder: string, bytes: number): Promise<SmallDisk> {
    if (Deno.build.os !== "linux") throw new NoSmallDiskError(`${Deno.build.os} has no tmpfs`);
    const script = ["sh", "-c", HOLDER_SCRIPT, "sh", folder, String(bytes)];
    let holder: Deno.ChildProcess;
    try {
      holder = new Deno.Command("unshare", {
        args: ["--map-root-user", "--mount", ...script],
        stdin: "piped",
        stdout: "piped",
        stderr: "piped",
      }).spawn();
    } catch (cause) {
      throw new NoSmallDiskError("there is no unshare program", { cause });
    }
    const disk = new SmallDisk(holder);
    const message = new Response(holder.stderr).text();
    if (await disk.#isDone()) return disk;
    await disk[Symbol.asyncDispose]();
    throw new NoSmallDiskError((await message).trim());
  }

  /** The command that starts a program so that it sees this disk. */
  get command(): { readonly path: string; readonly args: readonly string[] } {
    const target = ["--target", String(this.#holder.pid)];
    return { path: "nsenter", args: ["--user", "--mount", "--preserve-credentials", ...target] };
  }

  /** Leaves no byte free. */
  async fill(): Promise<void> {
    await this.#tell("fill");
  }

  /** Gives the space back. */
  async free(): Promise<void> {
    await this.#tell("free");
  }

  /** Copies all that is on it to the folder below the mount, for those outside. */
  async copyOut(): Promise<void> {
    await this.#tell("copy");
  }

  /** Unmounts, once no process uses the disk. What was on it is lost. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#input.close().catch(() => {});
    await this.#output.cancel();
    await this.#holder.status;
  }

  async #tell(command: DiskCommand): Promise<void> {
    await this.#input.write(encodeUtf8(`${command}\n`));
    if (!await this.#isDone()) {
      throw new Error(`The small disk has ended before it could ${command}`);
    }
  }

  async #isDone(): Promise<boolean> {
    return !(await this.#output.read()).done;
  }
}
