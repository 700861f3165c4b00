/**
 * What the command line reads: notes and cards, and whatever the API's end of a connection answers.
 *
 * @module
 */

import assert from "node:assert/strict";
import { createApp } from "../../../lib/http/app.ts";
import { PROBLEM_MEDIA_TYPE } from "../../../lib/wire/mod.ts";
import { createTestCluster } from "../../certificate/cluster.ts";
import { certify } from "../../certificate/election.ts";
import { floe } from "../../cli/fake_terminal.ts";
import { FakeNode } from "../../http/fake_node.ts";
import type { Random } from "../../simulator/random.ts";
import { type Json, mutateJson, mutateText } from "../mutate_json.ts";
import { ACCEPTED, type Outcome, pureTarget, type Target } from "../target.ts";

const CLUSTER = createTestCluster({ threshold: 2, voters: 3 });
const NOTE = certify(CLUSTER.certifiers, [0, 1]);
const KEY = CLUSTER.group.publicKey.toHex();
/** A card as `floe keygen` prints it; its signature is of something else. */
const CARD = {
  id: "a",
  peer: "h:1",
  api: "h:2",
  signingKey: KEY,
  channelKey: KEY,
  signature: KEY + KEY,
};

/** Commands that ask a node, and what it should answer. */
const QUESTIONS: readonly (readonly [args: readonly string[], path: string])[] = [
  [["status"], "/v1/status"],
  [["leader"], "/v1/leader"],
  [["leader", "--cert"], "/v1/leader"],
  [["elections"], "/v1/elections"],
  [["get", "k"], "/v1/kv/k"],
  [["put", "k", "v"], "/v1/kv/k"],
  [["del", "k"], "/v1/kv/k"],
  [["leader", "transfer"], "/v1/leader/transfer"],
];

/** What a node really answers to each of them. */
const ANSWERS = await Promise.all(QUESTIONS.map(async ([[verb], path]) => {
  const method = verb === "put" ? "PUT" : verb === "del" ? "DELETE" : "GET";
  const app = createApp(new FakeNode());
  await app.request("/v1/kv/k", { method: "PUT", body: "v" });
  const response = await app.request(path, { method, ...(verb === "put" ? { body: "v" } : {}) });
  return await response.json() as Json;
}));

interface Input {
  readonly args: readonly string[];
  readonly stdin: string;
  /** What the API answers. */
  readonly body: string;
  readonly status: number;
  readonly contentType: string;
}

/** Whatever it reads, `floe` ends with one of its exit codes and never calls it a bug of its own. */
export const cli: Target = pureTarget<Input>({
  name: "cli",
  share: 15,
  draw: drawInput,
  show: (input) => JSON.stringify(input),
  bytesOf: ({ body, stdin }) => body.length + stdin.length,
  give: async ({ args, stdin, body, status, contentType }): Promise<Outcome> => {
    const answer = () => new Response(body, { status, headers: { "content-type": contentType } });
    const { code, stderr } = await floe(args, { stdin, hosts: { "a:1": answer, "b:1": answer } });
    assert.doesNotMatch(stderr, /This is a bug/, stderr.slice(0, 500));
    assert.ok(code >= 0 && code <= 7);
    return code === 0 ? ACCEPTED : `exit code ${code}`;
  },
});

function drawInput(random: Random): Input {
  const answer = { body: "", status: 200, contentType: "application/json" };
  switch (random.below(4)) {
    case 0: {
      const stdin = random.chance(0.2) ? NOTE : mutateText(NOTE, random);
      return { ...answer, args: ["verify", "-", "--key", KEY], stdin };
    }
    case 1: {
      const args = ["init", "--cluster", "c", "--threshold", "2", "--config", "/nowhere/c.json"];
      return { ...answer, args: [...args, "-"], stdin: mutateJson([CARD, CARD, CARD], random) };
    }
    default: {
      const at = random.below(QUESTIONS.length);
      const body = mutateJson(ANSWERS[at] ?? null, random);
      const isProblem = random.chance(0.3);
      return {
        args: [...QUESTIONS[at]?.[0] ?? [], ...random.pick([[], ["-o", "json"]])],
        stdin: "",
        body: isProblem ? mutateJson(PROBLEM, random) : body,
        status: isProblem ? random.pick([400, 404, 409, 412, 503, 504, 599]) : 200,
        contentType: isProblem ? PROBLEM_MEDIA_TYPE : "application/json",
      };
    }
  }
}

const PROBLEM = {
  type: "about:blank",
  title: "Service Unavailable",
  status: 503,
  code: "no_leader",
  detail: "No leader",
  maybeApplied: false,
  retryAfterMs: 250,
};
