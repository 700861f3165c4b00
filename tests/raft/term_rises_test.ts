import assert from "node:assert/strict";
import { TERM_ADVANCES_PER_TIMEOUT_MAX } from "../../lib/raft/config.ts";
import { TermRises } from "../../lib/raft/state.ts";

const ELECTION_TIMEOUT_TICKS = 10;

Deno.test("TermRises.take() allows so many rises in an election timeout, and no more", () => {
  const rises = new TermRises(ELECTION_TIMEOUT_TICKS);
  for (let count = 1; count <= TERM_ADVANCES_PER_TIMEOUT_MAX; count++) {
    assert.equal(rises.take(3), true, `rise ${count}`);
  }
  assert.equal(rises.take(3), false);
  assert.equal(rises.take(ELECTION_TIMEOUT_TICKS - 1), false);
});

Deno.test("TermRises.take() counts anew after an election timeout, whatever it refused", () => {
  const rises = new TermRises(ELECTION_TIMEOUT_TICKS);
  for (let count = 0; count <= TERM_ADVANCES_PER_TIMEOUT_MAX; count++) rises.take(0);
  assert.equal(rises.take(ELECTION_TIMEOUT_TICKS), true);
});
