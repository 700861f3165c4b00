/**
 * `floe cluster` as a process, for its page with buttons.
 *
 * @module
 */

import { FLOE_PERMISSIONS } from "../../lib/cli/process_context.ts";
import type { TestFolder } from "../e2e/harness/test_cluster.ts";

const MAIN = new URL("../../main.ts", import.meta.url).pathname;

/** `floe cluster`, and the address that it prints. */
export class Demo implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;

  /** Starts it with the nodes of a folder. */
  constructor(folder: TestFolder) {
    const place = ["--config", folder.configFile, "--data-dir", `${folder.path}/data`];
    this.#child = new Deno.Command(Deno.execPath(), {
      args: [
        ...["run", "--quiet", "--no-prompt", "--cached-only", ...FLOE_PERMISSIONS, MAIN],
        ...["cluster", ...place],
      ],
      stdin: "null",
      stdout: "piped",
      stderr: "null",
    }).spawn();
  }

  /** Reads on, so that the program never waits for a reader. */
  async address(): Promise<string> {
    const found = Promise.withResolvers<string>();
    const read = async () => {
      let text = "";
      for await (const part of this.#child.stdout.pipeThrough(new TextDecoderStream())) {
        text += part;
        const [, address] = /^page +(\S+)$/m.exec(text) ?? [];
        if (address !== undefined) found.resolve(address);
      }
      found.reject(new Error(`It printed no address: ${text}`));
    };
    void read();
    return await found.promise;
  }

  /** Stops it, and waits for its end. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGTERM");
    await this.#child.status;
  }
}
