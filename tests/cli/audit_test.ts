import { deepEqual, equal, match } from "node:assert/strict";
import { FakeNode } from "../http/fake_node.ts";
import { fakeCertificate } from "../http/fake_reports.ts";
import { floe, type Outcome, type Surroundings } from "./fake_terminal.ts";

Deno.test("audit export prints the chain and the certificates of all nodes, by rising term", async () => {
  const [one, other] = [new FakeNode(), new FakeNode()];
  one.certificates = [7, 5].map(fakeCertificate);
  other.certificates = [5, 4].map(fakeCertificate);
  const { code, stdout, stderr } = await exportFrom({ "a:1": one, "b:1": other });
  equal(code, 0);
  equal(stdout, ["a note", ...[4, 5, 7].map((term) => fakeCertificate(term).note)].join("\n"));
  match(stderr, /^4 notes\. To check them: floe audit verify/);
});

Deno.test("audit export reads page after page, and leaves out no term", async () => {
  const [many, few] = [new FakeNode(), new FakeNode()];
  const terms = Array.from({ length: 1_201 }, (_, at) => 1_201 - at);
  many.certificates = terms.map(fakeCertificate);
  few.certificates = [1].map(fakeCertificate);
  const { stdout, requests } = await exportFrom({ "a:1": many, "b:1": few });
  equal(stdout.match(/^term /gm)?.length, 1_201);
  equal(requests.filter((request) => request.startsWith("GET a:1/v1/elections")).length, 3);
});

Deno.test("audit export keeps both where two nodes have two leaders of one term", async () => {
  const [one, other] = [new FakeNode(), new FakeNode()];
  const certificate = fakeCertificate(7);
  one.certificates = [certificate];
  other.certificates = [{ ...certificate, note: `${certificate.note}again\n` }];
  const { stdout } = await exportFrom({ "a:1": one, "b:1": other });
  deepEqual(stdout.split(certificate.note).length, 3);
});

Deno.test("audit export takes along the second leader of a term that any node has seen", async () => {
  const [one, other] = [new FakeNode(), new FakeNode()];
  const [first, second] = [fakeCertificate(7), fakeCertificate(6)];
  for (const node of [one, other]) node.certificates = [first];
  other.evidenceNow = {
    ...other.evidenceNow,
    twoLeaders: [{ term: first.term, first, second, noticedAt: 1 }],
  };
  const { stdout } = await exportFrom({ "a:1": one, "b:1": other });
  equal(stdout, ["a note", first.note, second.note].join("\n"));
});

Deno.test("audit export ends at a node whose pages do not end", async () => {
  const page = { elections: [], nextBefore: 5 };
  const endless = (request: Request) =>
    new URL(request.url).pathname === "/v1/elections"
      ? Response.json(page)
      : Response.json({ ...new FakeNode().chainNow, memberships: [] });
  const { code, stderr, requests } = await exportFrom({ "a:1": endless });
  equal(code, 3);
  match(stderr, /no certificate yet/);
  equal(requests.filter((request) => request.includes("a:1/v1/elections")).length, 2);
});

Deno.test("audit export says that no node answers", async () => {
  equal((await exportFrom({})).code, 5);
});

function exportFrom(hosts: NonNullable<Surroundings["hosts"]>): Promise<Outcome> {
  return floe(["audit", "export"], { hosts });
}
