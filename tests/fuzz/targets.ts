/**
 * Everything that is fuzzed.
 *
 * @module
 */

import type { Target } from "./target.ts";
import { certificates, genesisNotes, groupKeys } from "./targets/certificates.ts";
import { cli } from "./targets/cli.ts";
import { acceptedConnections, dialedConnections } from "./targets/connection.ts";
import { core } from "./targets/core.ts";
import { knocks, tokenBodies } from "./targets/authorization.ts";
import { etcdJson, etcdMessages } from "./targets/etcd.ts";
import {
  clusterConfigs,
  keyFiles,
  peerCards,
  peerConfigurations,
  sealedKeyFiles,
} from "./targets/files.ts";
import { frames } from "./targets/frames.ts";
import {
  commitments,
  pairwiseShares,
  polynomials,
  signatureShares,
  signingRequests,
} from "./targets/frost.ts";
import { requests, sockets } from "./targets/http.ts";
import { keygen, keygenMessages } from "./targets/keygen.ts";
import { keygenRecords } from "./targets/keygen_record.ts";
import { commands, results } from "./targets/kv.ts";
import { greetings, introductions, messages, sequences } from "./targets/payloads.ts";
import { peerPort } from "./targets/peer_port.ts";
import { savedSnapshots, snapshots } from "./targets/snapshots.ts";

/** All targets, from the wire upward. */
export const TARGETS: readonly Target[] = [
  frames,
  sequences,
  messages,
  keygenMessages,
  greetings,
  introductions,
  acceptedConnections,
  dialedConnections,
  peerPort,
  core,
  keygen,
  certificates,
  genesisNotes,
  groupKeys,
  commitments,
  signingRequests,
  signatureShares,
  polynomials,
  pairwiseShares,
  commands,
  results,
  snapshots,
  savedSnapshots,
  clusterConfigs,
  peerConfigurations,
  peerCards,
  keyFiles,
  sealedKeyFiles,
  keygenRecords,
  knocks,
  tokenBodies,
  requests,
  sockets,
  etcdMessages,
  etcdJson,
  cli,
];
