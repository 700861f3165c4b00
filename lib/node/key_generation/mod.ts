/**
 * How a node comes by its key without a dealer: the protocol of `lib/keygen` between a node's start
 * and the running node, in the same process and over the same connections.
 *
 * **When.** A node whose folder holds no share, no record and nothing of a node that has run joins
 * key generation (`own_keys.ts`). It begins once all voters are connected and have the same
 * `cluster.json`, so that no attempt is spent on waiting; a node that has begun before goes on at once,
 * and so does one that hears that others have. A cluster of one makes its key by itself.
 *
 * **What is durable.** Until there is a key, the record: `keygen.json` (`keys/record_file.ts`), replaced as a
 * whole before any message leaves that relies on it. Then `group.json` with the genesis certificate, then
 * `share.json`, and only then does the record go. Wherever a crash falls, what is left says what to do:
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
 * From the first run on, `share.json` says that it is in use, and is not used without what the node has
 * voted: that guard begins where key generation ends. One process at a time has the folder
 * (`keys/private_file.ts`).
 *
 * **Afterwards.** A running node answers a peer that still generates a key with the genesis certificate
 * (`key_generation_run.ts`). A straggler that has signed finishes with it; a node that has lost its share
 * learns that it has.
 *
 * **What is reported.** `report.ts` says of each peer how far it is, and what the node waits for it to do;
 * the log says the same at a bounded pace, and names the peer that breaks a rule. A node
 * that can never have its key says why and ends.
 *
 * @module
 */

export { KeyGenerationRun } from "./key_generation_run.ts";
export { openOwnKeys, prepareKeyGeneration } from "./own_keys.ts";
export type { AwaitedStep, KeyGenerationReport, KeyPhase } from "./report.ts";
