import assert from "node:assert/strict";
import { Random } from "../random.ts";
import { WriteAheadLog } from "./write_ahead_log.ts";

Deno.test("WriteAheadLog gives back every transaction that was durable", () => {
  const log = new WriteAheadLog<string>();
  log.append(["a", "b"]);
  log.append(["c"]);
  assert.deepEqual(log.recover(), { changes: ["a", "b", "c"], isBroken: false });
});

Deno.test("WriteAheadLog gives back a transaction that was cut short whole or not at all", () => {
  const seen = new Set<string>();
  for (let seed = 0; seed < 200; seed++) {
    const log = new WriteAheadLog<string>();
    log.append(["a", "b"]);
    log.appendTorn(["c", "d"], new Random(`torn ${seed}`));
    const { changes, isBroken } = log.recover();
    assert.ok(!isBroken, "nobody was promised anything, so nothing is amiss");
    seen.add(changes.join(""));
  }
  assert.deepEqual(seen, new Set(["ab", "abcd"]));
});

Deno.test("WriteAheadLog.damage() breaks a log, and spares its last transaction", () => {
  for (let seed = 0; seed < 50; seed++) {
    const log = new WriteAheadLog<string>();
    log.append(["a", "b"]);
    log.append(["c"]);
    log.append(["d"]);
    assert.ok(log.damage(new Random(`damage ${seed}`)));
    assert.ok(log.recover().isBroken);
  }
});

Deno.test("WriteAheadLog.damage() finds nothing to break where it would look like a torn end", () => {
  const log = new WriteAheadLog<string>();
  assert.ok(!log.damage(new Random("empty")));
  log.append(["a", "b"]);
  assert.ok(!log.damage(new Random("one")));
});

Deno.test("WriteAheadLog is empty once its changes stand in the file", () => {
  const log = new WriteAheadLog<string>();
  log.append(["a"]);
  log.empty();
  assert.deepEqual(log.recover(), { changes: [], isBroken: false });
  assert.equal(log.length, 0);
});
