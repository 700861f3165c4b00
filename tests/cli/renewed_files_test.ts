import { deepEqual, equal, match, rejects } from "node:assert/strict";
import { openClientTls } from "../../lib/cli/client_tls.ts";
import type { CommandContext, GlobalFlags } from "../../lib/cli/command.ts";
import { processContext } from "../../lib/cli/process_context.ts";
import { writeAdminToken } from "../../lib/cli/serve/served_api.ts";
import { findTokens } from "../../lib/cli/token_source.ts";
import { toNodeId } from "../../lib/types.ts";
import { drawToken, formatToken } from "../../lib/wire/mod.ts";

/** A command that runs on, as a watch does, and files that are renewed meanwhile. */

const NODE = toNodeId("server_1");
const FLAGS: GlobalFlags = { output: "table", timeout: 1_000 };

class Files implements Disposable {
  readonly folder = Deno.makeTempDirSync({ prefix: "floe-renewed-" });
  readonly said: string[] = [];

  context(env: Readonly<Record<string, string>> = {}): CommandContext {
    const write = (text: string | Uint8Array) => void this.said.push(String(text));
    const stderr = { ...processContext().stderr, write };
    return { ...processContext(), env: (name) => env[name], stderr };
  }

  write(name: string, text: string): string {
    const path = `${this.folder}/${name}`;
    Deno.writeTextFileSync(path, text);
    return path;
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.folder, { recursive: true });
  }
}

const drawOne = () => formatToken(drawToken({ kind: "token", id: "0123456789abcdef" }));
const endpoint = (id: string | null) => ({ url: "http://a:1", label: "a:1", id });

Deno.test("a token that is renewed in its file is sent from then on", async () => {
  using files = new Files();
  const [first, second] = [drawOne(), drawOne()];
  const tokenFile = files.write("token", first);
  const tokenFor = await findTokens([endpoint(null)], { ...FLAGS, tokenFile }, files.context());
  equal(tokenFor(endpoint(null)), first);
  files.write("token", `${second}\n`);
  equal(tokenFor(endpoint(null)), second);
  deepEqual(files.said, []);
});

Deno.test("a token file that cannot be used any more leaves the token as it was, and is named once", async () => {
  using files = new Files();
  const token = drawOne();
  const tokenFile = files.write("token", token);
  const tokenFor = await findTokens([endpoint(null)], { ...FLAGS, tokenFile }, files.context());
  for (
    const [damage, said] of [
      [() => files.write("token", "none of ours"), /Cannot use .*token: Cannot read token/],
      [() => files.write("token", "x".repeat(2_000)), /Cannot read .*token again: .* 1024 bytes/],
      [() => Deno.removeSync(tokenFile), /Cannot read .*token again/],
      [() => Deno.mkdirSync(tokenFile), /it is no regular file/],
    ] as const
  ) {
    files.said.length = 0;
    damage();
    for (let asked = 0; asked < 3; asked++) equal(tokenFor(endpoint(null)), token);
    equal(files.said.length, 1);
    match(files.said[0] ?? "", said);
    match(files.said[0] ?? "", /The token before is used\.\n$/);
  }
});

Deno.test("a file that comes to hold a node's own token is not sent to others", async () => {
  using files = new Files();
  const token = drawOne();
  const tokenFile = files.write("token", token);
  const tokenFor = await findTokens([endpoint(null)], { ...FLAGS, tokenFile }, files.context());
  files.write("token", formatToken(drawToken({ kind: "admin", node: NODE })));
  equal(tokenFor(endpoint(null)), token);
  match(files.said[0] ?? "", /it now holds a token of another kind/);
});

Deno.test("a node that was started again is sent its new token", async () => {
  using files = new Files();
  const FLOE_DATA_DIR = files.folder;
  const tokenFor = await findTokens([endpoint(NODE)], FLAGS, files.context({ FLOE_DATA_DIR }));
  const own = endpoint(NODE);
  const other = await findTokens([own], FLAGS, files.context({ FLOE_DATA_DIR }));
  equal(other(own), null);
  writeAdminToken(files.folder, NODE);
  const text = Deno.readTextFileSync(`${files.folder}/admin.token`).trim();
  equal(other(own), text);
  equal(tokenFor(endpoint("server_2")), null);
});

Deno.test("the certificates that a client trusts and shows are read again when they change", async () => {
  using files = new Files();
  const flags = {
    ...FLAGS,
    caFile: files.write("ca", "one"),
    clientCert: files.write("cert", "two"),
    clientKey: files.write("key", "three"),
  };
  const tls = await openClientTls(flags, files.context());
  const first = tls();
  deepEqual(first, { caCerts: ["one"], own: { cert: "two", key: "three" } });
  equal(tls(), first);
  files.write("ca", "one, renewed");
  deepEqual(tls().caCerts, ["one, renewed"]);
  Deno.removeSync(flags.clientKey);
  deepEqual(tls().own, { cert: "two", key: "three" });
  deepEqual([files.said.length, /certificates before/.test(files.said[0] ?? "")], [1, true]);
});

Deno.test("a client's certificate and its key go together", async () => {
  using files = new Files();
  const clientCert = files.write("cert", "two");
  const opened = openClientTls({ ...FLAGS, clientCert }, files.context());
  await rejects(opened, /--client-cert and --client-key go together/);
});
