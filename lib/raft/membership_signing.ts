/**
 * Signs memberships. The log says which text is due, and the shares of which epoch sign it. The leader asks
 * the signers. A signer signs only the text that follows from its own log.
 *
 * @module
 */

import {
  CertificateError,
  type MembershipRequest,
  type MembershipSigner,
  toGroup,
} from "../certificate/mod.ts";
import { catching, InputError } from "../errors.ts";
import type { DueStatement } from "../reshare/mod.ts";
import type { NodeId } from "../types.ts";
import type { SignatureRequest, SignatureResponse } from "./message.ts";
import type { Leader } from "./role.ts";
import { SignatureCollection } from "./signature_collection.ts";
import type { CoreState } from "./state.ts";

/** The signer for the text that is due. Only one text is due at a time. */
export interface DueSigner {
  /** The text that is due. */
  readonly due: DueStatement;
  /** Which change it is part of. */
  readonly change: string;
  /** Signs it. */
  readonly signer: MembershipSigner;
}

/** The leader begins to have a statement signed, if it has not begun already. */
export function startSigning(state: CoreState, leader: Leader): void {
  const own = dueSigner(state);
  if (own === null || leader.collection?.text === own.due.text) return;
  const { currentTerm: term, self } = state;
  leader.collection = new SignatureCollection(own.signer, {
    term,
    leader: self,
    text: own.due.text,
  });
  askForCommitments(state, leader.collection, own);
}

/** Counts a tick: opens another session if one is overdue, and asks silent signers again. */
export function tickSigning(state: CoreState, leader: Leader): void {
  const { collection } = leader;
  if (collection === null) return;
  const own = dueSigner(state);
  if (own?.due.text !== collection.text) {
    leader.collection = null;
    return;
  }
  const { signingTimeoutTicks } = state.config;
  if (state.nowTick % signingTimeoutTicks !== 0) return;
  if (collection.isOverdue(state.nowTick, signingTimeoutTicks)) collection.expire();
  askForCommitments(state, collection, own);
}

/** The leader asks this node to sign. */
export function handleSignatureRequest(state: CoreState, message: SignatureRequest): void {
  if (message.from !== state.leader || message.term !== state.currentTerm) return;
  const own = dueSigner(state);
  // This node's log may be behind the leader's, or ahead of a request that comes late.
  if (own?.change !== message.change || own.due.by !== message.epoch) return;
  if (!own.signer.canSign) return;
  const { from: leader, term, session, commitments } = message;
  const request = { term, leader, text: own.due.text, commitments };
  const share = commitments.length === 0 ? null : sign(state, own, request);
  state.send({
    kind: "signatureResponse",
    from: state.self,
    to: leader,
    term,
    change: message.change,
    epoch: message.epoch,
    session,
    share,
    commitment: own.signer.commit({ term, leader }),
  });
}

/** A signer's commitment, and its share if it was asked for one. */
export function handleSignatureResponse(state: CoreState, message: SignatureResponse): void {
  const leader = state.role;
  if (leader.name !== "leader" || message.term !== state.currentTerm) return;
  const { collection } = leader;
  const own = dueSigner(state);
  if (collection === null || own?.due.text !== collection.text) return;
  if (own.change !== message.change || own.due.by !== message.epoch) return;
  const { from, session, share, commitment } = message;
  if (session > 0) takeShare(state, collection, { from, session, share });
  takeCommitment(state, collection, { from, commitment });
  openSigningSessions(state, collection, { own, withLate: false });
}

function askForCommitments(
  state: CoreState,
  collection: SignatureCollection,
  own: DueSigner,
): void {
  const { self, currentTerm: term } = state;
  const isSilent = collection.silent.includes(self);
  if (isSilent && own.signer.canSign) {
    collection.offer(self, own.signer.commit({ term, leader: self }));
  }
  for (const voter of collection.silent) {
    if (voter !== self) ask(state, voter, { own, session: 0, commitments: [] });
  }
  openSigningSessions(state, collection, { own, withLate: true });
}

function takeCommitment(
  state: CoreState,
  collection: SignatureCollection,
  { from, commitment }: { readonly from: NodeId; readonly commitment: Uint8Array },
): void {
  if (!collection.wantsOffer(from, commitment)) return;
  catching(CertificateError, () => {
    collection.signer.checkCommitment(from, commitment);
    collection.offer(from, commitment);
  }, (error) => state.refuse(from, error.message));
}

function takeShare(
  state: CoreState,
  collection: SignatureCollection,
  answer: { readonly from: NodeId; readonly session: number; readonly share: Uint8Array | null },
): void {
  const before = new Set(collection.cheaters);
  const signature = collection.answer(answer.from, answer.session, answer.share);
  for (const voter of collection.cheaters) {
    if (before.has(voter)) continue;
    state.output.events.push({ kind: "cheaterFound", term: state.currentTerm, voter });
  }
  if (signature === null) return;
  if (state.role.name === "leader") state.role.collection = null;
  const by = collection.signer.epoch;
  state.cluster.committed?.add({ kind: "signed", by, signature });
}

/** Opens a session when enough signers have offered a commitment. Signs in it if this node is a signer. */
function openSigningSessions(
  state: CoreState,
  collection: SignatureCollection,
  { own, withLate }: { readonly own: DueSigner; readonly withLate: boolean },
): void {
  const isCollecting = () => state.role.name === "leader" && state.role.collection === collection;
  while (isCollecting()) {
    const session = collection.open(state.nowTick, { withLate });
    if (session === null) return;
    const { number, request } = session;
    for (const { voter } of request.commitments) {
      if (voter === state.self) continue;
      ask(state, voter, { own, session: number, commitments: request.commitments });
    }
    const signs = request.commitments.some(({ voter }) => voter === state.self);
    if (signs) {
      const { self: from } = state;
      takeShare(state, collection, { from, session: number, share: sign(state, own, request) });
      collection.offer(from, own.signer.commit({ term: state.currentTerm, leader: from }));
    }
  }
}

/** This node's share; null where the request cannot be signed. */
function sign(
  state: CoreState,
  { signer }: DueSigner,
  request: MembershipRequest,
): Uint8Array | null {
  return catching(CertificateError, () => signer.sign(request), (error) => {
    state.refuse(request.leader, error.message);
    return null;
  });
}

function ask(
  state: CoreState,
  to: NodeId,
  { own, session, commitments }: {
    readonly own: DueSigner;
    readonly session: number;
    readonly commitments: SignatureRequest["commitments"];
  },
): void {
  state.send({
    kind: "signatureRequest",
    from: state.self,
    to,
    term: state.currentTerm,
    change: own.change,
    epoch: own.due.by,
    session,
    commitments,
  });
}

/** The signer for the text that is due in this node's log. An older signer loses its share and nonces. */
function dueSigner(state: CoreState): DueSigner | null {
  const { config: { members }, cluster: { committed }, epochs } = state;
  const change = committed?.change ?? null;
  const due = change?.due ?? null;
  if (state.cluster.dueSigner?.due.text !== due?.text) endSigning(state);
  if (change === null || due === null || members === undefined) return null;
  if (state.cluster.dueSigner !== null) return state.cluster.dueSigner;
  const { before } = change;
  const group = toGroup(due.by === before.epoch ? before : due.statement);
  // A share of a failed attempt does not match this group.
  const signer = catching(
    InputError,
    () => members.openSigner(group, epochs.shareOf(due.by)),
    () => members.openSigner(group, null),
  );
  state.cluster.dueSigner = { due, change: change.id, signer };
  return state.cluster.dueSigner;
}

/** The text is no longer due: the signer loses its share and its nonces. */
export function endSigning({ cluster }: CoreState): void {
  cluster.dueSigner?.signer.erase();
  cluster.dueSigner = null;
}
