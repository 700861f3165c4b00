/**
 * What a node keeps of key generation: whatever its file says, it is refused or taken up.
 *
 * @module
 */

import assert from "node:assert/strict";
import { assertDefined } from "../../../lib/assert.ts";
import { encodeUtf8 } from "../../../lib/bytes.ts";
import { CertificateError } from "../../../lib/certificate/mod.ts";
import { InputError } from "../../../lib/errors.ts";
import { type DurableKeyGeneration, KeyGeneration } from "../../../lib/keygen/mod.ts";
import { KeyFileError } from "../../../lib/keys/key_file.ts";
import { type KeyPlace, readRecord, writeRecord } from "../../../lib/keys/record_file.ts";
import { RECORD_FILE } from "../../../lib/keys/secret_kinds.ts";
import { TestKeygen } from "../../keygen/harness.ts";
import { MemoryCluster } from "../../node/key_generation/memory_cluster.ts";
import type { Random } from "../../simulator/random.ts";
import { mutateBytes } from "../mutate_bytes.ts";
import { type Json, mutateJson } from "../mutate_json.ts";
import { type OpenTarget, type Outcome, refusing, type Target } from "../target.ts";

/** `keygen.json`: no share is taken up but the one that was written. */
export const keygenRecords: Target = {
  name: "keygen-records",
  share: 8,
  open: () => new Records(),
};

/** One node's folder, in which the record is another each time. */
class Records implements OpenTarget {
  readonly #keygen = new TestKeygen(2, 3);
  readonly #place: KeyPlace;
  readonly #finished: DurableKeyGeneration;
  readonly #genuine: readonly Json[];

  constructor() {
    const { config, three: [self] } = new MemoryCluster(3);
    const dataDir = Deno.makeTempDirSync({ prefix: "floe-fuzz-" });
    Deno.chmodSync(dataDir, 0o700);
    this.#place = { folder: { dataDir, self, passphrase: null }, config };
    const fresh = structuredClone(this.#keygen.node(1).disk);
    this.#keygen.start();
    this.#keygen.deliver();
    this.#finished = structuredClone(this.#keygen.node(1).disk);
    this.#genuine = [fresh, { ...this.#finished, genesis: null }, this.#finished].map((record) => {
      writeRecord(this.#place, structuredClone(record));
      return JSON.parse(Deno.readTextFileSync(this.#path)) as Json;
    });
  }

  get #path(): string {
    return `${this.#place.folder.dataDir}/${RECORD_FILE}`;
  }

  draw(random: Random) {
    let bytes = encodeUtf8(mutateJson(random.pick(this.#genuine), random));
    if (random.chance(0.2)) bytes = mutateBytes(bytes, random) as typeof bytes;
    return {
      show: () => bytes.toHex(),
      bytes: bytes.length,
      run: () => this.#give(bytes),
    };
  }

  #give(bytes: Uint8Array): Outcome {
    Deno.writeFileSync(this.#path, bytes);
    return refusing([KeyFileError, InputError, CertificateError], () => {
      const record = assertDefined(readRecord(this.#place) ?? undefined, "the file is there");
      const secret = record.share?.secret.slice();
      const config = this.#keygen.configOf(this.#place.folder.self, 1);
      const generation = new KeyGeneration(config, record);
      generation.step([]);
      generation.erase();
      if (secret !== undefined) assert.deepEqual(secret, this.#finished.share?.secret);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.#place.folder.dataDir, { recursive: true });
  }
}
