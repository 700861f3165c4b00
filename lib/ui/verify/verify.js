// @ts-check
/** @import { Election, GroupKey, Member, Membership, Refusal, SignedNote } from "./mod.d.ts" */

import {
  hashOf,
  judgeSignature,
  malformed,
  parseSignedNote,
  toHex,
  VerificationError,
} from "./note.js";

/**
 * A membership, and what the next one is held to.
 *
 * @typedef {Membership & { hash: string, group: string, identifierMax: number, formerIds: string[] }} Link
 */

const ELECTION_LENGTH_MAX = 1024;
const MEMBERSHIP_LENGTH_MAX = 262_144;
const ADDRESS_LENGTH_MAX = 262;
const IDENTIFIER_MAX = 65_535;

const NAME = "[A-Za-z0-9._-]{1,64}";
/** A number in its one form. */
const COUNT = "0|[1-9][0-9]{0,15}";
const KEY = "[0-9a-f]{64}";
const ADDRESS = `[!-~]{1,${ADDRESS_LENGTH_MAX}}`;
const ELECTION = new RegExp(
  `^floe/election/v1\ncluster (${NAME})\nepoch (${COUNT})\nterm (${COUNT})\n` +
    `leader (${NAME})\nlog (${COUNT}) (${COUNT})\n$`,
);
const FOUNDING = new RegExp(
  `^floe/genesis/v1\ncluster (${NAME})\nepoch (${COUNT})\nthreshold (${COUNT})\n` +
    `((?:voter ${NAME} ${KEY} ${KEY}\n)+)group (${KEY})\ntranscript ${KEY}\n$`,
);
const MEMBER =
  `(?:voter|learner) ${NAME} (?:${COUNT}) ${KEY} ${KEY} (?:${KEY}|-) ${ADDRESS} ${ADDRESS}\n`;
const MEMBERSHIP = new RegExp(
  `^floe/membership/v1\ncluster (${NAME})\nsequence (${COUNT})\nepoch (${COUNT})\n` +
    `threshold (${COUNT})\nprevious (${KEY})\n((?:${MEMBER})+)group (${KEY})\nby (${COUNT})\n$`,
);

/** @type {typeof import("./mod.d.ts").verifyCertificate} */
export async function verifyCertificate(note, key, expected) {
  const signed = parse(note, ELECTION_LENGTH_MAX);
  const election = readElection(signed.text);
  await checkSignature(signed, election.cluster, key);
  if (expected !== undefined) checkExpected(election, expected);
  return election;
}

/**
 * @param {string} text
 * @returns {Election}
 */
function readElection(text) {
  const [, cluster, epoch = "", term = "", leader = "", index = "", indexTerm = ""] =
    ELECTION.exec(text) ?? [];
  if (cluster === undefined) throw malformed("not the six lines of floe/election/v1");
  return {
    cluster,
    epoch: toCount(epoch, 1),
    term: toCount(term),
    leader,
    lastLogIndex: toCount(index),
    lastLogTerm: toCount(indexTerm),
  };
}

/**
 * @param {Election} election
 * @param {{ term: number, leader: string }} expected
 */
function checkExpected(election, { term, leader }) {
  if (election.term !== term) throw refused("wrong-term", `term ${election.term} is not ${term}`);
  if (election.leader === leader) return;
  throw refused("wrong-leader", `leader ${election.leader} is not ${leader}`);
}

/** @type {typeof import("./mod.d.ts").verifyMembershipChain} */
export async function verifyMembershipChain({ founding, memberships }, key) {
  if (memberships.length === 0) {
    throw refused("wrong-chain", "no signed membership vouches for the founding text");
  }
  let link = await toFirst(founding);
  const links = [link];
  for (const certificate of memberships) {
    link = await follow(link, certificate, key);
    links.push(link);
  }
  return links.map(({ cluster, sequence, epoch, threshold, members }) => {
    return { cluster, sequence, epoch, threshold, members };
  });
}

/**
 * What the founding text says. The first membership names its hash.
 *
 * @param {string} text
 * @returns {Promise<Link>}
 */
async function toFirst(text) {
  const [, cluster = "", epoch = "", threshold = "", voters = "", group = ""] =
    FOUNDING.exec(text) ?? [];
  if (cluster === "") throw malformed("not the lines of floe/genesis/v1");
  const members = voters.trimEnd().split("\n").map((line, at) => {
    const [, id = "", identityKey = "", verifyingShare = ""] = line.split(" ");
    const [identifier, role] = [at + 1, /** @type {const} */ ("voter")];
    const unknown = { channelKey: null, peerAddress: null, apiAddress: null };
    return { id, role, identifier, identityKey, verifyingShare, ...unknown };
  });
  return {
    ...{ cluster, epoch: toCount(epoch, 1), threshold: toCount(threshold), members, group },
    sequence: 0,
    hash: await hashOf(text),
    identifierMax: members.length,
    formerIds: [],
  };
}

/**
 * The link after `before`: signed by the epoch before, and by its own where it begins one.
 *
 * @param {Link} before
 * @param {{ byOld: string, byNew: string | null }} certificate
 * @param {GroupKey} key
 */
async function follow(before, { byOld, byNew }, key) {
  const { link, previous } = await readMembership(byOld, { key, by: before.epoch });
  checkPlace(before, link, previous);
  checkEpoch(before, link);
  checkMembers(before, link);
  checkShares(before, link);
  const beginsEpoch = link.epoch > before.epoch;
  if (beginsEpoch !== (byNew !== null)) {
    throw refused(
      "wrong-chain",
      beginsEpoch ? `the note by epoch ${link.epoch} is missing` : "one note too many",
    );
  }
  if (byNew !== null) {
    const proof = await readMembership(byNew, { key, by: link.epoch });
    if (proof.link.hash !== link.hash) throw refused("wrong-chain", "the two notes differ");
  }
  const present = new Set(link.members.map(({ id }) => id));
  const gone = before.members.map(({ id }) => id).filter((id) => !present.has(id));
  return {
    ...link,
    identifierMax: Math.max(before.identifierMax, link.identifierMax),
    formerIds: [...before.formerIds, ...gone],
  };
}

/**
 * One note of a membership, with its signature.
 *
 * @param {string} note
 * @param {{ key: GroupKey, by: number }} signer
 */
async function readMembership(note, { key, by }) {
  const signed = parse(note, MEMBERSHIP_LENGTH_MAX);
  const { link, previous, signedBy } = await readStatement(signed.text);
  await checkSignature(signed, link.cluster, key);
  if (link.group !== toHex(key.publicKey)) {
    throw refused("bad-signature", "it names another group key");
  }
  if (signedBy !== by) throw refused("wrong-epoch", `it is by epoch ${signedBy}, not ${by}`);
  return { link, previous };
}

/**
 * @param {string} text
 * @returns {Promise<{ link: Link, previous: string, signedBy: number }>}
 */
async function readStatement(text) {
  const [, cluster, sequence = "", epoch = "", threshold = "", previous = "", lines = "", ...end] =
    MEMBERSHIP.exec(text) ?? [];
  const [group = "", by = ""] = end;
  if (cluster === undefined) throw malformed("not the lines of floe/membership/v1");
  const members = lines.trimEnd().split("\n").map(readMember);
  const link = {
    ...{ cluster, sequence: toCount(sequence), epoch: toCount(epoch, 1), members, group },
    threshold: toCount(threshold),
    // The last line says who signs, and is no part of what the next statement names.
    hash: await hashOf(text.replace(/by [0-9]+\n$/, "")),
    identifierMax: Math.max(...members.map(({ identifier }) => identifier)),
    formerIds: [],
  };
  return { link, previous, signedBy: toCount(by, 1) };
}

/**
 * @param {string} line
 * @returns {Member}
 */
function readMember(line) {
  const [role, id = "", identifier = "", identityKey = "", channelKey = "", ...rest] = line.split(
    " ",
  );
  const [share = "", peerAddress = "", api = ""] = rest;
  return {
    id,
    role: role === "voter" ? "voter" : "learner",
    identifier: toCount(identifier),
    ...{ identityKey, channelKey, peerAddress },
    verifyingShare: share === "-" ? null : share,
    apiAddress: api === "-" ? null : api,
  };
}

/**
 * @param {Link} before
 * @param {Link} link
 * @param {string} previous
 */
function checkPlace(before, link, previous) {
  if (link.cluster !== before.cluster || link.group !== before.group) {
    throw refused("wrong-cluster", `${link.cluster} with its key is not ${before.cluster}`);
  }
  if (link.sequence === before.sequence + 1 && previous === before.hash) return;
  throw refused("wrong-chain", `it does not follow statement ${before.sequence}`);
}

/**
 * Voters and threshold change only with the epoch.
 *
 * @param {Link} before
 * @param {Link} link
 */
function checkEpoch(before, link) {
  if (link.epoch !== before.epoch && link.epoch !== before.epoch + 1) {
    throw refused("wrong-epoch", `epoch ${link.epoch} does not follow ${before.epoch}`);
  }
  const voters = votersOf(link);
  const isSame = link.threshold === before.threshold && voters.join() === votersOf(before).join();
  if (link.epoch === before.epoch && !isSame) {
    throw refused("wrong-epoch", "voters and threshold change only with the epoch");
  }
  const { threshold } = link;
  if (voters.length >= 2 && threshold <= voters.length && 2 * threshold > voters.length) return;
  throw refused("bad-roster", `${threshold} of ${voters.length} voters cannot sign for a cluster`);
}

/**
 * Shares change only with the epoch. In a new one, at least t voters have one, and nobody else.
 *
 * @param {Link} before
 * @param {Link} link
 */
function checkShares(before, { epoch, threshold, members }) {
  const shares = new Map(before.members.map(({ id, verifyingShare }) => [id, verifyingShare]));
  const holders = members.filter(({ verifyingShare }) => verifyingShare !== null);
  const isGood = epoch === before.epoch
    ? members.every(({ id, verifyingShare }) => verifyingShare === (shares.get(id) ?? null))
    : holders.length >= threshold && holders.every(({ role }) => role === "voter");
  if (!isGood) throw refused("bad-group", "a share changes within an epoch, or is out of place");
}

/**
 * A member that stays keeps its identifier. A new member gets one that no node ever had.
 *
 * @param {Link} before
 * @param {Link} link
 */
function checkMembers(before, { members }) {
  const known = new Map(before.members.map(({ id, identifier }) => [id, identifier]));
  for (const [at, { id, identifier, identityKey, channelKey, peerAddress }] of members.entries()) {
    const others = members.slice(0, at);
    const kept = known.get(id);
    const isGood = kept === undefined
      ? identifier > before.identifierMax && identifier <= IDENTIFIER_MAX &&
        !before.formerIds.includes(id)
      : identifier === kept;
    const isAlone = others.every((other) =>
      other.id !== id && other.identifier < identifier && other.identityKey !== identityKey &&
      other.channelKey !== channelKey
    );
    if (isGood && isAlone && peerAddress !== "-") continue;
    throw refused("bad-roster", `${id} has what another member has or had, or is out of order`);
  }
}

/** @param {Membership} membership */
function votersOf({ members }) {
  return members.filter(({ role }) => role === "voter").map(({ id }) => id);
}

/**
 * @param {string} note
 * @param {number} lengthMax
 */
function parse(note, lengthMax) {
  if (note.length > lengthMax) throw malformed(`length ${note.length} is above ${lengthMax}`);
  return parseSignedNote(note);
}

/**
 * The key must have signed, in the name of the cluster that the text names.
 *
 * @param {SignedNote} signed
 * @param {string} cluster
 * @param {GroupKey} key
 */
async function checkSignature(signed, cluster, key) {
  if (signed.name !== cluster || (key.cluster !== null && key.cluster !== cluster)) {
    throw refused("wrong-cluster", `${signed.name} signs for ${cluster}, not ${key.cluster}`);
  }
  const verdict = await judgeSignature(signed, key);
  if (verdict === "valid") return;
  if (verdict === "uncheckable") {
    throw new VerificationError("uncheckable", "Ed25519 is missing: use HTTPS, or @noble/curves");
  }
  const why = verdict === "otherKey" ? "another key signed it" : "the signature is not the key's";
  throw refused("bad-signature", why);
}

/** @param {string} text */
function toCount(text, least = 0) {
  const count = Number(text);
  if (Number.isSafeInteger(count) && count >= least) return count;
  throw malformed(`${text} is not a whole number from ${least} to 2^53 - 1`);
}

/**
 * @param {Refusal} refusal
 * @param {string} why
 */
function refused(refusal, why) {
  return new VerificationError(refusal, `Cannot accept note: ${why}`);
}
