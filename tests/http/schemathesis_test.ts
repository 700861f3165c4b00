/**
 * Schemathesis, a program of its own (`pip install schemathesis`), makes requests from `GET /openapi.json`, sends
 * them to a fake node's server, and holds each answer to the document. Skipped where it is not installed. The gate
 * has a few requests for each route; `deno task schemathesis` has them all, in about a minute.
 *
 * @module
 */

import { equal } from "node:assert/strict";
import { Authorizer } from "../../lib/http/authorization.ts";
import { startApiServer } from "../../lib/http/server.ts";
import { digestSecret } from "../../lib/token_digest.ts";
import { toNodeId } from "../../lib/types.ts";
import { drawToken, formatToken } from "../../lib/wire/mod.ts";
import { FakeNode } from "./fake_node.ts";

const PROGRAM = "schemathesis";
const IS_FULL = Deno.env.get("FLOE_SCHEMATHESIS") === "full";

/**
 * A schema cannot say that two parameters exclude each other, that a revision must be there, or that an idempotency
 * key is new: such requests are refused, as docs/api.md says.
 */
const CHECKS = ["--checks=all", "--exclude-checks=positive_data_acceptance"];

/** Answers without an end. */
const ENDLESS = ["watch", "showCluster"];

/** What is too long is a 413, and what a condition refuses a 412, whatever else is wrong with it. */
const SETTINGS = `
[checks]
negative_data_rejection.expected-statuses = [400, 401, 403, 404, 405, 408, 409, 412, 413, 422]
`;

const OPTIONS = IS_FULL
  ? ["--phases=coverage,fuzzing", "--max-examples=20", "--max-time=60"]
  : ["--phases=fuzzing", "--max-examples=4", "--generation-deterministic", "--no-shrink"];

function isInstalled(): boolean {
  try {
    return new Deno.Command(PROGRAM, { args: ["--version"], stdout: "null", stderr: "null" })
      .outputSync().success;
  } catch {
    return false;
  }
}

/** A server that asks for tokens, as long as the work takes. */
async function withServer(work: (url: string, token: string) => Promise<void>): Promise<void> {
  const node = new FakeNode();
  const id = toNodeId("server_1");
  const token = drawToken({ kind: "admin", node: id });
  const admin = { node: id, secretDigest: digestSecret(token.secret) };
  const authorizer = new Authorizer({ node, access: { kind: "tokens", admin } });
  const stop = new AbortController();
  const place = { hostname: "127.0.0.1", port: 0, signal: stop.signal };
  const server = startApiServer({ node, authorizer, ...place });
  try {
    await work(`http://127.0.0.1:${server.port}/openapi.json`, formatToken(token));
  } finally {
    stop.abort();
    await server.finished;
  }
}

Deno.test({
  name: "schemathesis finds no answer that GET /openapi.json does not describe",
  ignore: !isInstalled(),
  async fn() {
    const folder = await Deno.makeTempDir();
    try {
      await Deno.writeTextFile(`${folder}/schemathesis.toml`, SETTINGS);
      await withServer(async (url, token) => {
        const excluded = ENDLESS.map((id) => `--exclude-operation-id=${id}`);
        const header = `--header=Authorization: Bearer ${token}`;
        const args = ["--no-color", "run", url, header, ...CHECKS, ...excluded, ...OPTIONS];
        const { success, stdout, stderr } = await new Deno.Command(PROGRAM, { args, cwd: folder })
          .output();
        const shown = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
        equal(success, true, shown.replaceAll(token, "TOKEN"));
      });
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});
