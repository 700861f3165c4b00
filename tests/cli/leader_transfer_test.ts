import { equal, match } from "node:assert/strict";
import { RequestError, type RequestFailure } from "../../lib/node/api.ts";
import type { NodeId } from "../../lib/types.ts";
import { FakeNode } from "../http/fake_node.ts";
import { floe } from "./fake_terminal.ts";

/** A node that hands over as a leader does, or refuses. */
class TransferringNode extends FakeNode {
  readonly #refusal: RequestFailure | null;

  constructor(refusal: RequestFailure | null = null) {
    super();
    this.#refusal = refusal;
  }

  override transferLeadership(target: NodeId | null): Promise<NodeId> {
    if (this.#refusal === null) return super.transferLeadership(target);
    const maybeApplied = this.#refusal === "transfer_failed";
    const error = new RequestError(this.#refusal, "refused", { maybeApplied });
    return Promise.reject(error);
  }
}

Deno.test("leader transfer prints who leads now and who led before", async () => {
  const { code, stdout } = await floe(["leader", "transfer"], {
    hosts: { "a:1": new TransferringNode() },
  });
  equal(code, 0);
  equal(stdout, "server_2 leads now; server_1 led before\n");
});

Deno.test("leader transfer ID names the node that shall lead", async () => {
  const { stdout, requests } = await floe(["leader", "transfer", "server_3", "-o", "json"], {
    hosts: { "a:1": new TransferringNode() },
  });
  equal(stdout, '{"from":"server_1","leader":"server_3"}\n');
  match(requests.join("\n"), /POST a:1 ?\/v1\/leader\/transfer\?target=server_3/);
});

Deno.test("leader transfer goes on to the next node until it finds the leader", async () => {
  const { code } = await floe(["leader", "transfer"], {
    hosts: { "a:1": new TransferringNode("not_leader"), "b:1": new TransferringNode() },
  });
  equal(code, 0);
});

const EXIT_CODES = [["transfer_failed", 4], ["transferring", 4], ["no_target", 3]] as const;

for (const [refusal, expected] of EXIT_CODES) {
  Deno.test(`leader transfer exits with ${expected} for ${refusal}`, async () => {
    const { code, stdout } = await floe(["leader", "transfer"], {
      hosts: { "a:1": new TransferringNode(refusal) },
    });
    equal(code, expected);
    equal(stdout, "");
  });
}

Deno.test("leader transfer to the node that leads says so and exits with 0", async () => {
  const hosts = { "a:1": new TransferringNode("no_target"), "b:1": new FakeNode() };
  const text = await floe(["leader", "transfer", "server_1"], { hosts });
  equal(text.stdout, "server_1 leads already; nothing was changed\n");
  const json = await floe(["leader", "transfer", "server_1", "-o", "json"], { hosts });
  equal(json.stdout, '{"from":"server_1","leader":"server_1"}\n');
  equal([text.code, json.code].join(), "0,0");
  const other = await floe(["leader", "transfer", "server_9"], { hosts });
  equal(other.code, 3);
});

Deno.test("leader transfer exits with 5 when no node leads", async () => {
  const hosts = {
    "a:1": new TransferringNode("not_leader"),
    "b:1": new TransferringNode("not_leader"),
  };
  const { code } = await floe(["leader", "transfer", "--timeout", "1"], { hosts });
  equal(code, 5);
});

Deno.test("leader transfer refuses what is no node's name", async () => {
  const { code } = await floe(["leader", "transfer", "no/name"], {
    hosts: { "a:1": new TransferringNode() },
  });
  equal(code, 2);
});
