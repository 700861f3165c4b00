/**
 * How a node gets its key without a dealer. Between its start and the running node, it runs the protocol of
 * `lib/keygen`, in the same process and over the same connections.
 *
 * **When.** A node joins key generation if its folder has no share, no record and no data of a node that has
 * run (`own_keys.ts`). Key generation begins once all voters are connected and have the same `cluster.json`,
 * so that no attempt is spent on waiting. A node that has begun before goes on at once, and so does a node
 * that learns that others have begun. A cluster of one makes its key by itself.
 *
 * **What is durable.** Until there is a key, the record `keygen.json` (`keys/record_file.ts`); it is replaced
 * as a whole before any message leaves that relies on it. Then `group.json` with the genesis certificate, then
 * `share.json`; only then is the record removed. After a crash at any moment, the files that are left decide
 * what to do:
 *
 * | record | share.json | at the next start |
 * | --- | --- | --- |
 * | none | none | join, if nothing else is there |
 * | not finished | none | go on |
 * | finished | none | write the key files |
 * | finished | there, the same share | delete the record, run |
 * | finished | there, another share | refuse: only one of them can be the cluster's |
 * | none | there | run |
 * | not finished | there | refuse: the share is of another key |
 *
 * From the first run on, `share.json` is marked as used, and cannot be used without the node's record of its
 * votes: this guard begins when key generation ends. Only one process at a time uses the folder
 * (`keys/private_file.ts`).
 *
 * **Afterwards.** A running node answers a peer that still generates a key with the genesis certificate
 * (`key_generation_run.ts`). A late node that has signed finishes with it; a node that has lost its share
 * learns that it has lost it.
 *
 * **What is reported.** `report.ts` says how far each peer is, and what the node waits for it to do. The log
 * says the same at a limited rate, and names the peer that breaks a rule. A node that can never get its key
 * says why and ends.
 *
 * @module
 */

export { KeyGenerationRun } from "./key_generation_run.ts";
export { openOwnKeys, prepareKeyGeneration } from "./own_keys.ts";
export type { AwaitedStep, KeyGenerationReport, KeyPhase } from "./report.ts";
