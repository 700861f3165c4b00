/**
 * The commands of `docs/start.md` and `docs/verify.md`, as they stand there: three machines are three folders, and
 * their addresses free ports of this machine.
 *
 * @module
 */

import { equal, match, ok } from "node:assert/strict";
import { FLOE_PERMISSIONS } from "../../lib/cli/process_context.ts";
import { formatAddress } from "../../lib/address.ts";
import { findFreeAddresses } from "../support/free_ports.ts";
import { read } from "../support/document.ts";
import { WAIT_TIMEOUT_MS } from "./harness/events.ts";
import { FloeProcess, runFloe } from "./harness/floe_process.ts";

const MACHINES = [1, 2, 3] as const;
const ROOT = new URL("../../", import.meta.url).pathname;

const hasAll = ["bash", "jq", "curl", "openssl", "python3"].every(isThere);

function isThere(program: string): boolean {
  const args = ["-c", `command -v ${program}`];
  return new Deno.Command("sh", { args, stdout: "null", stderr: "null" }).outputSync().success;
}

/** A block of commands, and where it runs. */
interface Block {
  readonly place: string;
  readonly commands: string;
}

function blocksOf(document: string): readonly Block[] {
  return [...read(document).matchAll(/^```sh(?: on=(\w+))?\n(.*?)^```$/gms)]
    .map(([, place = "", commands = ""]) => ({ place, commands }));
}

/** Three folders, and the addresses that stand for the guide's. */
class Machines implements AsyncDisposable {
  readonly #root = Deno.makeTempDirSync({ prefix: "floe-guide-" });
  readonly #addresses = findFreeAddresses(2 * MACHINES.length).map(formatAddress);
  readonly #nodes: FloeProcess[] = [];

  constructor() {
    for (const machine of MACHINES) Deno.mkdirSync(this.folder(machine));
    Deno.mkdirSync(`${this.#root}/bin`);
    const deno = [Deno.execPath(), "run", "--quiet", "--no-prompt", "--cached-only"];
    const words = [...deno, ...FLOE_PERMISSIONS, `${ROOT}main.ts`].map((word) => `'${word}'`);
    const shim = `#!/bin/sh\nexec ${words.join(" ")} "$@"\n`;
    Deno.writeTextFileSync(`${this.#root}/bin/floe`, shim, { mode: 0o755 });
    Deno.symlinkSync(`${ROOT}examples`, `${this.folder(1)}/examples`);
  }

  folder(machine: number): string {
    return `${this.#root}/${machine}`;
  }

  /** The API of the first machine. */
  get api(): string {
    return this.#addresses[1] ?? "";
  }

  /** A guide's text as it is on one machine. */
  #translate(commands: string, machine: number): string {
    return commands
      .replaceAll(/\bserver_1\b(?!\.card server_2)/g, `server_${machine}`)
      .replaceAll("10.0.0.1:7101", this.#addresses[2 * machine - 2] ?? "")
      .replaceAll("10.0.0.1:7201", this.#addresses[2 * machine - 1] ?? "")
      .replaceAll("127.0.0.1:7201", this.api);
  }

  /** Runs commands to their end, in a shell that stops at the first that fails. */
  async run(commands: string, machine = 1): Promise<string> {
    const output = await new Deno.Command("bash", {
      args: ["-euo", "pipefail", "-c", this.#translate(commands, machine)],
      cwd: this.folder(machine),
      env: { PATH: `${this.#root}/bin:${Deno.env.get("PATH")}` },
    }).output();
    const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    equal(output.code, 0, `${commands}\n${decode(output.stdout)}${decode(output.stderr)}`);
    return decode(output.stdout);
  }

  /** Starts what a block says, which has no end. */
  start(command: string, machine: number): void {
    const [, ...args] = this.#translate(command, machine).trim().split(" ");
    const options = { cwd: this.folder(machine) };
    this.#nodes.push(new FloeProcess(`${machine}`, [...args, "--exit-with-parent"], options));
  }

  /** As an operator copies files: cards to the first machine, the configuration to all. */
  copy(name: string, { from, to }: { readonly from: number; readonly to: number }): void {
    if (from === to) return;
    Deno.copyFileSync(`${this.folder(from)}/${name}`, `${this.folder(to)}/${name}`);
  }

  /** Asks until the cluster has its key and a leader. */
  async waitForLeader(): Promise<void> {
    const deadline = AbortSignal.timeout(WAIT_TIMEOUT_MS);
    for (;;) {
      const { code, stderr } = await runFloe(["leader"], { cwd: this.folder(1) });
      if (code === 0) return;
      ok(!deadline.aborted, stderr);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const node of this.#nodes) await node[Symbol.asyncDispose]();
    Deno.removeSync(this.#root, { recursive: true });
  }
}

/** Follows docs/start.md to its end. */
async function follow(machines: Machines): Promise<void> {
  const [cards, init, nodes, use, check, ...more] = blocksOf("docs/start.md");
  ok(cards && init && nodes && use && check);
  equal(more.length, 0);
  equal(
    [cards, init, nodes, use, check].map(({ place }) => place).join(),
    "each,first,each,first,first",
  );
  for (const machine of MACHINES) {
    await machines.run(cards.commands, machine);
    machines.copy(`server_${machine}.card`, { from: machine, to: 1 });
  }
  await machines.run(init.commands);
  for (const machine of MACHINES) {
    machines.copy("cluster.json", { from: 1, to: machine });
    machines.start(nodes.commands, machine);
  }
  await machines.waitForLeader();
  match(await machines.run(use.commands), /hello\n?$/);
  await machines.run(check.commands);
}

Deno.test({
  name:
    "three machines become a cluster by the commands of docs/start.md, and docs/verify.md verifies it",
  ignore: !hasAll,
  async fn() {
    await using machines = new Machines();
    await follow(machines);
    const key = JSON.parse(Deno.readTextFileSync(`${machines.folder(1)}/group.json`)).publicKey;
    const [fetched, verified, byHand, ...more] = blocksOf("docs/verify.md");
    ok(fetched && verified && byHand);
    equal(more.length, 0);
    await machines.run(fetched.commands);
    match(await machines.run(byHand.commands), /Signature Verified Successfully/);
    const lines = verified.commands.trim().split("\n").filter((line) => {
      return isThere("go") || !line.startsWith("go ");
    });
    for (const line of lines) {
      // Without a change of the members there is no chain yet: only the leader.
      const command = line.replace("KEY", key).replace(" chain.json", "");
      match(await machines.run(command), /^server_[123] leads term \d+ of ours\n$/);
    }
  },
});
