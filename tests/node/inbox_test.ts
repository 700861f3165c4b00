import assert from "node:assert/strict";
import { Inbox, INBOX_MESSAGES_PER_PEER_MAX } from "../../lib/node/inbox.ts";
import type { Input, Message } from "../../lib/raft/mod.ts";
import { toNodeId, toTerm } from "../../lib/types.ts";

const MESSAGE: Message = {
  kind: "readIndexResponse",
  from: toNodeId("n1"),
  to: toNodeId("n2"),
  term: toTerm(1),
  incarnation: 1,
  batchId: 1,
  readIndex: null,
};

/** An inbox, and a promise of its next batch. */
function inbox(): { inbox: Inbox; next: Promise<readonly Input[]>; turns: () => number } {
  const { promise, resolve } = Promise.withResolvers<readonly Input[]>();
  let count = 0;
  const taking = new Inbox((inputs) => {
    count++;
    resolve(inputs);
  });
  return { inbox: taking, next: promise, turns: () => count };
}

Deno.test("Inbox hands over all that came before the event loop goes round, in order", async () => {
  const { inbox: box, next, turns } = inbox();
  box.add({ kind: "tick" });
  await Promise.resolve();
  box.add({ kind: "read", readId: 1, lease: false });
  box.addMessage(MESSAGE);
  assert.equal(turns(), 0, "nothing happens in the caller's own turn");
  assert.deepEqual((await next).map(({ kind }) => kind), ["tick", "read", "message"]);
  assert.equal(turns(), 1);
});

Deno.test("Inbox.turn() makes a turn at once, unless one is scheduled", async () => {
  const { inbox: box, next, turns } = inbox();
  box.turn();
  assert.equal(turns(), 1);
  assert.deepEqual(await next, []);
  box.add({ kind: "tick" });
  box.turn();
  assert.equal(turns(), 1, "the scheduled turn has the input");
  box.close();
});

Deno.test("Inbox drops peers' messages beyond its limit, and nothing else", async () => {
  const { inbox: box, next } = inbox();
  for (let count = 0; count < INBOX_MESSAGES_PER_PEER_MAX; count++) {
    assert.ok(box.addMessage(MESSAGE));
  }
  assert.equal(box.addMessage(MESSAGE), false);
  assert.ok(box.addMessage({ ...MESSAGE, from: toNodeId("n3") }), "the others have their own room");
  box.add({ kind: "tick" });
  assert.equal((await next).length, INBOX_MESSAGES_PER_PEER_MAX + 2);
  assert.ok(box.addMessage(MESSAGE));
  box.close();
});

Deno.test("Inbox.close() drops what waits and takes no more", () => {
  const { inbox: box, turns } = inbox();
  box.add({ kind: "tick" });
  box.close();
  box.add({ kind: "tick" });
  assert.equal(turns(), 0);
});

Deno.test("Inbox erases a sub-share once its turn is over", async () => {
  const secret = new Uint8Array(32).fill(7);
  const { from, to, term } = MESSAGE;
  const { promise: turn, resolve } = Promise.withResolvers<Uint8Array>();
  const box = new Inbox(() => resolve(secret.slice()));
  box.addMessage({ kind: "subShare", from, to, term, change: "ab", secret });
  assert.deepEqual(await turn, new Uint8Array(32).fill(7));
  assert.deepEqual(secret, new Uint8Array(32));
  box.close();
});
