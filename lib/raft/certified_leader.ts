/**
 * The proof that whoever claims to lead does: every message of a leader passes here first. A follower
 * follows nobody, raises no term and resets no timer without the certificate.
 *
 * @module
 */

import type { Certificate } from "../certificate/certifier.ts";
import { InputError } from "../errors.ts";
import type {
  AppendOutcome,
  AppendRequest,
  SnapshotRequest,
  TimeoutNowRequest,
} from "./message.ts";
import type { CoreState } from "./state.ts";

/** What only a leader says. */
export type LeaderMessage = AppendRequest | SnapshotRequest | TimeoutNowRequest;

/**
 * Whether the sender is the certified leader of this term or of a higher one, by the certificate at
 * hand or brought along. If so, it is followed from now on, and the election timer starts anew.
 */
export function acceptLeader(state: CoreState, message: LeaderMessage): boolean {
  if (message.term < state.currentTerm) {
    // Answered, so that a leader left behind by an election it missed steps down.
    answerLeader(state, message, { kind: "staleTerm" });
    return false;
  }
  const certificate = certificateOf(state, message);
  if (certificate === null) return false;
  state.hearFrom(certificate);
  return true;
}

/**
 * An answer never leaves before what it acknowledges is durable. In the same step another leader's
 * entries may have taken the place of these: that is as if the answer had left just before they came.
 */
export function answerLeader(
  state: CoreState,
  message: LeaderMessage,
  outcome: AppendOutcome,
): void {
  state.sendAfterPersist({
    kind: "appendResponse",
    from: state.self,
    to: message.from,
    term: state.currentTerm,
    round: message.round,
    outcome,
  });
}

/** The sender's certificate for the message's term; null when it is refused. */
function certificateOf(state: CoreState, message: LeaderMessage): Certificate | null {
  const { from, term } = message;
  if (term === state.currentTerm && state.certificate !== null) {
    if (state.certificate.leader === from) return state.certificate;
    return refuseLeader(state, message, `term ${term} is led by ${state.certificate.leader}`);
  }
  if (message.certificate === null) {
    answerLeader(state, message, { kind: "uncertified" });
    return refuseLeader(state, message, "no certificate");
  }
  let certificate: Certificate;
  try {
    certificate = state.config.certifier.verify(message.certificate, { term, leader: from });
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    return refuseLeader(state, message, error.message);
  }
  if (certificate.epoch !== state.config.certifier.epoch) {
    return refuseLeader(state, message, `the certificate is of epoch ${certificate.epoch}`);
  }
  if (term > state.currentTerm) state.advanceTerm(term);
  state.durability.certificateLearned(certificate);
  state.output.events.push({ kind: "certificateVerified", certificate });
  return certificate;
}

function refuseLeader(state: CoreState, message: LeaderMessage, reason: string): null {
  const { from, term } = message;
  state.output.events.push({ kind: "certificateRefused", from, term, reason });
  return null;
}
