/**
 * When a leader may append a configuration to its log (dissertation §4).
 *
 * @module
 */

import { catching, InputError } from "../errors.ts";
import { type ConfigurationEntry, encodeReshareEntry } from "../reshare/mod.ts";
import { type NodeId, plus } from "../types.ts";
import type { Entry } from "./entry.ts";
import { adjustFollowers, appendEntry } from "./leader.ts";
import { configurationsOf, type LoggedConfiguration } from "./members.ts";
import type { Leader } from "./role.ts";
import type { CoreState } from "./state.ts";

/**
 * Appends a configuration to the leader's log, if the one before and an entry of the leader's own term are
 * committed, and as many of its voters as its threshold have answered the leader lately. (Without the second rule, the dissertation's single-server changes have a flaw: a leader could
 * count without its predecessor's configuration, which it does not know and which can still be committed. Without
 * the last rule, a cluster could enter a configuration that nobody can commit or lead: a log does not go back.)
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
    const silent = silentVoters(state, leader, added);
    if (silent !== null) return silent;
    appendEntry(state, next);
    state.cluster.add(added);
    adjustFollowers(state, leader);
    return null;
  }, ({ message }) => message);
}

/** Why a configuration has too few voters that answer; null when it has enough. */
function silentVoters(
  { self, nowTick, config }: CoreState,
  leader: Leader,
  added: readonly LoggedConfiguration[],
): string | null {
  const sinceTick = nowTick - config.electionTimeoutTicks;
  const hasAnswered = (voter: NodeId) => {
    const rounds = leader.followers.get(voter)?.rounds;
    return voter === self ||
      (rounds !== undefined && rounds.answered > 0 && rounds.answeredSentTick >= sinceTick);
  };
  for (const { configuration: { voters, threshold } } of added) {
    const silent = voters.filter((voter) => !hasAnswered(voter));
    if (voters.length - silent.length < threshold) {
      return `it needs ${threshold} voters that answer, and ${silent.join(", ")} did not lately`;
    }
  }
  return null;
}
