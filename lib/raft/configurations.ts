/**
 * When a leader may append a configuration to its log (dissertation §4).
 *
 * @module
 */

import { catching, InputError } from "../errors.ts";
import { type ConfigurationEntry, encodeReshareEntry } from "../reshare/mod.ts";
import { plus } from "../types.ts";
import type { Entry } from "./entry.ts";
import { adjustFollowers, appendEntry } from "./leader.ts";
import { configurationsOf } from "./members.ts";
import type { Leader } from "./role.ts";
import type { CoreState } from "./state.ts";

/**
 * Appends a configuration to the leader's log, if the one before and an entry of the leader's own term are
 * committed. (Without the second rule, the dissertation's single-server changes have a flaw: a leader could
 * count without its predecessor's configuration, which it does not know and which can still be committed.)
 *
 * @returns why it did not append the configuration; null when it did.
 */
export function appendConfiguration(
  state: CoreState,
  leader: Leader,
  entry: ConfigurationEntry,
): string | null {
  const { log, currentTerm: term, members } = state;
  if (log.termAt(state.commitIndex) !== term) return "no entry of this term is committed yet";
  if (members.isPending) return "another configuration is not committed yet";
  if (leader.transfer !== null) return "leadership is being handed over";
  return catching(InputError, () => {
    const data = encodeReshareEntry(entry);
    const next: Entry = { index: plus(log.last.index, 1), term, kind: "configuration", data };
    const added = configurationsOf(members, [next]);
    appendEntry(state, next);
    state.cluster.add(added);
    adjustFollowers(state, leader);
    return null;
  }, ({ message }) => message);
}
