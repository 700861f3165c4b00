/**
 * Everything that a cluster has written, for a test that looks for what must not be in it.
 *
 * @module
 */

import { concatBytes, decodeUtf8, encodeUtf8 } from "../../../lib/bytes.ts";
import { createApp } from "../../../lib/http/app.ts";
import type { NodeId } from "../../../lib/types.ts";
import { FakeNode } from "../../http/fake_node.ts";
import { readProcess } from "../../support/read_process.ts";
import type { Finding, SecretScanner } from "../../support/secret_scanner.ts";
import type { FloeProcess } from "./floe_process.ts";
import type { TestCluster } from "./test_cluster.ts";

/** Texts, and where each is from. */
export class Written {
  readonly #texts: { readonly place: string; readonly text: Uint8Array }[] = [];

  /** Where all of them are from. */
  get places(): readonly string[] {
    return this.#texts.map(({ place }) => place);
  }

  /** Takes a text. */
  add(place: string, text: string | Uint8Array): void {
    this.#texts.push({ place, text: typeof text === "string" ? encodeUtf8(text) : text });
  }

  /** Takes what a process said. */
  addProcess(place: string, { said }: FloeProcess): void {
    const lines = [...said.events.map((event) => JSON.stringify(event)), ...said.otherLines];
    this.add(place, lines.join("\n"));
  }

  /** Takes what the system tells everybody of a process: its arguments and its variables. */
  addProcessList(place: string, pid: number): void {
    for (const file of ["cmdline", "environ"] as const) {
      this.add(`${place} ${file}`, readProcess(pid, file));
    }
  }

  /** Takes every file below a folder, its name and what is in it, but those that are left out. */
  addFiles(folder: string, { except }: { readonly except: readonly string[] }): void {
    for (const { name, isDirectory, isFile } of Deno.readDirSync(folder)) {
      const path = `${folder}/${name}`;
      if (isDirectory) ifThere(() => this.addFiles(path, { except }));
      if (isFile && !except.includes(name)) {
        const content = ifThere(() => Deno.readFileSync(path)) ?? new Uint8Array();
        this.add(path, concatBytes(encodeUtf8(`${path}\n`), content));
      }
    }
  }

  /** Takes a node's answers at every path that it knows, by every method, and to nonsense. */
  async addAnswers(cluster: TestCluster, id: NodeId): Promise<void> {
    const paths = createApp(new FakeNode()).routes.map(({ path }) =>
      path.replace("*", "greeting").replace(/:[a-z]+/, "1")
    );
    for (const path of new Set([...paths, "/", "/v1/nothing", "/v1/status?no=1", "/v1/kv/%zz"])) {
      for (const method of ["GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS"]) {
        const body = method === "PUT" || method === "POST" ? "{" : null;
        const response = await cluster.fetch(id, path, { method, body });
        const text = `${response.status} ${JSON.stringify([...response.headers])}\n`;
        this.add(`${method} ${path} of ${id}`, text + await readAnswer(response));
      }
    }
  }

  /** Every secret in any of the texts. */
  scan(scanner: SecretScanner): readonly Finding[] {
    return this.#texts.flatMap(({ place, text }) => scanner.scan(place, text));
  }
}

/** An answer's body; of one that has no end, what comes first. */
async function readAnswer(response: Response): Promise<string> {
  const isEndless = response.headers.get("content-type")?.startsWith("text/event-stream") ?? false;
  if (!isEndless || response.body === null) return await response.text();
  const reader = response.body.getReader();
  const { value } = await reader.read();
  await reader.cancel();
  return decodeUtf8(value ?? new Uint8Array());
}

/** What is read, or null: a process that runs removes files that it has just been seen to have. */
function ifThere<T>(read: () => T): T | null {
  try {
    return read();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}
