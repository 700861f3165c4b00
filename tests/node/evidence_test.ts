import { deepEqual, equal, match, throws } from "node:assert/strict";
import { assertDefined } from "../../lib/assert.ts";
import { type Certificate, createCertifier } from "../../lib/certificate/mod.ts";
import { Evidence, EVIDENCE_FILE, EVIDENCE_MAX } from "../../lib/node/evidence.ts";
import { createTestCluster, electionFields, nodeId } from "../certificate/cluster.ts";
import { certify } from "../certificate/election.ts";
import { seededBytes } from "../frost/seeded_bytes.ts";

/** A real group of which the test holds enough shares to sign whatever it likes. */
const OURS = createTestCluster({ threshold: 2, voters: 3 });
const CERTIFIER = assertDefined(OURS.certifiers[0], "no certifier");
const THEIRS = createTestCluster({ threshold: 2, voters: 3, seed: 2 });

let elections = 0;

/** Makes a certificate. Each has certifiers of its own, as honest ones sign for one candidate a term. */
function elect(term: number, leader: number, { group, shares, voters } = OURS): Certificate {
  const randomBytes = seededBytes(++elections);
  const certifiers = voters.map((self) => {
    const share = assertDefined(shares.get(self), "no share").slice();
    return createCertifier({ group, self, share, randomBytes });
  });
  const note = certify(certifiers, [0, 1], electionFields({ term, leader: nodeId(leader) }));
  return assertDefined(certifiers[0], "no certifier").verify(note);
}

/** The evidence of a node that keeps these certificates, in a folder that is deleted at the end. */
class Place implements Disposable {
  readonly folder = Deno.makeTempDirSync({ prefix: "floe-evidence-" });
  readonly file = `${this.folder}/${EVIDENCE_FILE}`;

  open(...elections: readonly Certificate[]): Evidence {
    const certificates = {
      election: (term: number) => elections.find((one) => one.term === term)?.note ?? null,
    };
    return new Evidence({
      folder: this.folder,
      certificates,
      certifier: CERTIFIER,
      now: () => 1_700_000_000_000,
    });
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.folder, { recursive: true });
  }
}

Deno.test("compare() keeps a second leader's certificate, counts it, and still has it after a restart", () => {
  using place = new Place();
  const [first, second] = [elect(7, 1), elect(7, 2)];
  const evidence = place.open(first);
  evidence.compare([second]);
  const kept = [{ term: 7, first, second, noticedAt: 1_700_000_000_000 }];
  deepEqual(evidence.report.twoLeaders, kept);
  deepEqual(evidence.counts, { "certificate.second": 1 });
  const again = place.open();
  deepEqual(again.report.twoLeaders, kept);
  deepEqual(again.counts, { "certificate.second": 1 });
});

Deno.test("compare() keeps each second leader once, and counts each time", () => {
  using place = new Place();
  const evidence = place.open(elect(7, 1));
  evidence.compare([elect(7, 2), elect(7, 2), elect(7, 3)]);
  deepEqual(evidence.report.twoLeaders.map(({ second }) => second.leader), [nodeId(2), nodeId(3)]);
  deepEqual(evidence.counts, { "certificate.second": 3 });
});

Deno.test("compare() takes no offence at the same leader, nor at a term that nobody led", () => {
  using place = new Place();
  const first = elect(7, 1);
  const evidence = place.open(first);
  evidence.compare([first, elect(7, 1), elect(8, 2)]);
  deepEqual(evidence.report.twoLeaders, []);
  throws(() => Deno.statSync(place.file), Deno.errors.NotFound);
});

Deno.test("compare() keeps a bounded number of them", () => {
  using place = new Place();
  const terms = Array.from({ length: EVIDENCE_MAX + 3 }, (_, at) => at + 1);
  const evidence = place.open(...terms.map((term) => elect(term, 1)));
  evidence.compare(terms.map((term) => elect(term, 2)));
  equal(evidence.report.twoLeaders.length, EVIDENCE_MAX);
  deepEqual(evidence.counts, { "certificate.second": EVIDENCE_MAX + 3 });
  equal(place.open().report.twoLeaders.length, EVIDENCE_MAX);
});

Deno.test("observe() compares what the core has seen, and remembers the last claim that was refused", () => {
  using place = new Place();
  const [first, second] = [elect(7, 1), elect(7, 2)];
  const evidence = place.open(first);
  evidence.observe({ kind: "certificateSeen", certificate: second });
  equal(evidence.report.twoLeaders.length, 1);
  for (const reason of ["no certificate", "it is forged"]) {
    evidence.observe({ kind: "certificateRefused", from: nodeId(3), term: first.term, reason });
  }
  const { refusedCount, lastRefused } = evidence.report;
  equal(refusedCount, 2);
  const refusedAt = 1_700_000_000_000;
  deepEqual(lastRefused, { from: nodeId(3), term: 7, reason: "it is forged", refusedAt });
});

const DAMAGED: Readonly<Record<string, (text: string) => string>> = {
  "no JSON": () => "{",
  "too little": (text) => text.slice(0, -30),
  "another form": () => '[{"first":"","second":""}]',
  "a forged note": (text) => text.replace("leader server_2", "leader server_3"),
  "one leader": (text) =>
    text.replace(/"second": .*/, `"second": ${JSON.stringify(elect(7, 1).note)}`),
  "another cluster's notes": () => {
    const notes = { first: elect(7, 1, THEIRS).note, second: elect(7, 2, THEIRS).note };
    return JSON.stringify([{ noticedAt: 0, ...notes }]);
  },
};

for (const [what, damage] of Object.entries(DAMAGED)) {
  Deno.test(`a node does not start on evidence that is ${what}, and says what to do`, () => {
    using place = new Place();
    place.open(elect(7, 1)).compare([elect(7, 2)]);
    const text = Deno.readTextFileSync(place.file);
    match(text, /leader server_2/);
    Deno.writeTextFileSync(place.file, damage(text));
    throws(() => place.open(), /Cannot use .*evidence\.json: [^]*Move the file to another folder/);
  });
}
