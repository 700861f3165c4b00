/**
 * The leader's part in a configuration (dissertation §4): when one may be put into the log.
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
 * A leader puts a configuration into its log, if it may: once the one before is committed, and an entry of its own
 * term is as well. (The flaw that was found in the dissertation's single-server changes: a leader that does not
 * know of its predecessor's configuration, which may be committed yet, would count without it.)
 *
 * @returns why it may not; null when it has.
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
  const data = encodeReshareEntry(entry);
  const next: Entry = { index: plus(log.last.index, 1), term, kind: "configuration", data };
  return catching(InputError, () => {
    const added = configurationsOf(members, [next]);
    appendEntry(state, next);
    state.cluster.add(added);
    adjustFollowers(state, leader);
    return null;
  }, ({ message }) => message);
}
