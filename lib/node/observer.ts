/**
 * What an operator sees of the core. Every event becomes a log record with a stable name; events that deserve an
 * alarm also have a counter.
 *
 * @module
 */

import { getLogger } from "@logtape/logtape";
import { unreachable } from "../assert.ts";
import { equalBytes } from "../bytes.ts";
import type { Certificate } from "../certificate/mod.ts";
import { type ClusterConfig, describeDifferences } from "../config/mod.ts";
import { Counters } from "../counters.ts";
import { Histogram, type HistogramCounts } from "../histogram.ts";
import type { RaftEvent, RaftView, RoleReport } from "../raft/mod.ts";
import { LogLimiter } from "../transport/mod.ts";
import type { LogIndex, NodeId } from "../types.ts";

/** Counters of the core's events, from the node's start. */
const NODE_COUNTERS = [
  /** Elections that this node began. */
  "election.started",
  /** Elections that this node won. */
  "election.won",
  /** Further signing sessions in this node's elections. */
  "election.session",
  /** Wrong signature shares that this node received. */
  "share.refused",
  /** Voters that declined to sign twice in one of this node's elections. */
  "share.withheld",
  /** Leaders' certificates that this node verified. */
  "certificate.verified",
  /** Claims to lead that this node refused. */
  "certificate.refused",
  /** Peers' messages that are invalid. */
  "message.unfit",
  /** Peers' messages that were dropped because too many waited. */
  "inbox.dropped",
  /** Snapshots that this node began to send. */
  "snapshot.sent",
  /** How often this node no longer had the entries that follow a snapshot which it was sending. */
  "follower.left_behind",
  /** How often a follower turned out to lack entries that it had acknowledged. */
  "follower.lost_entries",
  /** How often this node turned out to lack them. */
  "log.entries_lost",
  /** Leaders' snapshots that replaced this node's state. */
  "snapshot.installed",
  /** How often this node gave up leadership. */
  "leader.stepped_down",
  /** Leaders that did not commit what they were asked to. */
  "leader.stalled",
  /** Peers' views that could not be read. */
  "view.refused",
  /** How often this node began to follow a leader, or became one. */
  "leader.changed",
] as const;

/** What is measured, each in seconds. */
const TIMINGS = [
  /** From the request for pre-votes to enough grants: FROST's first round. */
  "election.prevote",
  /** From there to the certificate: FROST's second round. */
  "election.signing",
  /** From handing a batch over to the log until it is durable. */
  "log.persist",
  /** From a client's write until it is applied here. */
  "write.commit",
  /** One turn of the loop; the process does nothing else meanwhile. */
  "loop.turn",
] as const;

type Timing = typeof TIMINGS[number];

/** Why a signature lacks a voter's share. */
export type SigningFault = "refused" | "withheld" | "late";

/** How often a voter's share was missing for one reason, in this node's elections. */
export interface SigningFailure {
  /** The voter. */
  readonly peer: NodeId;
  /** The share was wrong, was kept back, or came too late. */
  readonly reason: SigningFault;
  /** How often. */
  readonly count: number;
}

/** Most counters of {@linkcode SigningFailure}, so that members that come and go do not fill the memory. */
const SIGNING_FAILURES_MAX = 256;

/** What monitoring needs besides the status. */
export interface NodeFigures {
  /** The histograms of what is measured, since the start. */
  readonly timings: TimingCounts;
  /** The missing shares. */
  readonly signingFailures: readonly SigningFailure[];
  /** Nonces that are drawn in advance for the next elections. */
  readonly spareNonces: number;
  /** How many watches there are. */
  readonly watchers: number;
  /** How many leases there are. */
  readonly leases: number;
}

/** The histograms, by name. */
export type TimingCounts = Readonly<Record<string, HistogramCounts>>;

/** Upper bounds in seconds, from 100 us on, each twice the one before. */
const TIMING_BOUNDS: readonly number[] = Array.from({ length: 16 }, (_, at) => 0.0001 * 2 ** at);

const LOST_ENTRIES_ADVICE =
  "What this node has acknowledged is not in its log: its data folder is an " +
  "older copy, or its disk lost what was written. It may have forgotten votes as well. Stop it and put " +
  "its newest folder back; without one, keep it stopped.";

/** Logs and counts. */
export class Observer extends Counters<typeof NODE_COUNTERS[number]> {
  readonly #logger = getLogger(["floe", "node"]);
  readonly #limiter = new LogLimiter(() => performance.now());
  readonly #timings = new Map(TIMINGS.map((name) => [name, new Histogram(TIMING_BOUNDS)]));
  readonly #signingFailures = new Map<string, SigningFailure>();
  /** When this node asked for pre-votes, on the monotonic clock. */
  #electionStartedMs = 0;
  /** When it had enough grants. */
  #signingStartedMs = 0;
  #leader: NodeId | null = null;

  constructor() {
    super(NODE_COUNTERS);
  }

  /** The role, the term or the leader changed. */
  roleChanged({ role, term, leader }: RoleReport): void {
    if (leader !== null && leader !== this.#leader) this.count("leader.changed");
    this.#leader = leader;
    this.#logger.info("role.changed", { role, term, leader });
  }

  /** What was measured so far, and the missing shares. */
  get figures(): Pick<NodeFigures, "timings" | "signingFailures"> {
    const counted = [...this.#timings].map(([name, histogram]) => [name, histogram.counted]);
    return {
      timings: Object.fromEntries(counted),
      signingFailures: [...this.#signingFailures.values()],
    };
  }

  #signingFailed(peer: NodeId, reason: SigningFault): void {
    const key = `${reason} ${peer}`;
    const before = this.#signingFailures.get(key);
    if (before === undefined && this.#signingFailures.size >= SIGNING_FAILURES_MAX) return;
    this.#signingFailures.set(key, { peer, reason, count: (before?.count ?? 0) + 1 });
  }

  /** Records a duration. */
  took(name: Timing, milliseconds: number): void {
    this.#timings.get(name)?.observe(milliseconds / 1_000);
  }

  /** Logs and counts one event. */
  observe(event: RaftEvent): void {
    switch (event.kind) {
      case "preVoteStarted":
        this.#electionStartedMs = performance.now();
        return this.#logger.info("prevote.started", { term: event.term });
      case "electionStarted":
        this.count("election.started");
        this.#signingStartedMs = performance.now();
        this.took("election.prevote", this.#signingStartedMs - this.#electionStartedMs);
        return this.#logger.info("election.started", { term: event.term, signers: event.signers });
      case "electionWon":
        return this.#won(event.certificate);
      case "voteGranted":
        return this.#logger.info("vote.granted", { term: event.term, candidate: event.candidate });
      case "signingSessionOpened": {
        const { term, session, missing } = event;
        this.count("election.session");
        for (const voter of missing) this.#signingFailed(voter, "late");
        return this.#logger.warn("election.session", { term, session, missing });
      }
      case "cheaterFound":
        this.count("share.refused");
        this.#signingFailed(event.voter, "refused");
        return this.#logger.error("share.refused", { term: event.term, voter: event.voter });
      case "shareWithheld":
        this.count("share.withheld");
        this.#signingFailed(event.voter, "withheld");
        return this.#logger.error("share.withheld", { term: event.term, voter: event.voter });
      case "certificateVerified":
        this.count("certificate.verified");
        return this.#logger.info("certificate.verified", describe(event.certificate));
      case "certificateSeen":
        // `Evidence` compares it. A leader whose term ended before its messages arrived can bring one, too.
        return this.#logger.debug("certificate.seen", describe(event.certificate));
      case "certificateRefused": {
        const { from, term, reason } = event;
        this.count("certificate.refused");
        return this.#limited("warn", "certificate.refused", { from, term, reason });
      }
      case "messageRefused":
        this.count("message.unfit");
        return this.#limited("warn", "message.unfit", { from: event.from, reason: event.reason });
      case "leaderStalled":
        this.count("leader.stalled");
        return this.#logger.warn("leader.stalled", { term: event.term, leader: event.leader });
      case "steppedDown":
        this.count("leader.stepped_down");
        return this.#logger.warn("leader.stepped_down", { term: event.term, reason: event.reason });
      case "transferStarted":
        return this.#logger.info("transfer.started", { term: event.term, target: event.target });
      case "membersChanged": {
        const { epoch, threshold, voters, learners } = event.configuration;
        const sequence = event.configuration.membership?.sequence ?? 0;
        const fields = { sequence, epoch, threshold, voters, learners };
        return this.#logger.info("members.changed", fields);
      }
      case "resharing":
        if (event.event.kind === "planRefused") {
          return this.#logger.info("members.planRefused", { reason: event.event.reason });
        }
        // A message that was sent twice, because it seemed lost, is refused once; that is no reason for a log
        // record.
        return event.event.kind === "entryRefused"
          ? this.#logger.debug("members.entryRefused", event.event)
          : this.#logger.info(`members.${event.event.kind}`, event.event);
      case "configurationDelayed":
        return this.#limited("warn", "members.delayed", { reason: event.reason });
      case "removed":
        return this.#logger.warn("members.removed", { epoch: event.configuration.epoch });
      case "logCompacted":
        return this.#logger.info("log.compacted", { index: event.index });
      case "followerLeftBehind": {
        const { peer, index } = event;
        this.count("follower.left_behind");
        return this.#logger.warn("follower.left_behind", { peer, index });
      }
      case "followerLostEntries":
        this.count("follower.lost_entries");
        return this.#limited("error", "follower.lost_entries", {
          peer: event.peer,
          ...event.lost,
          advice: LOST_ENTRIES_ADVICE,
        });
      case "entriesLost":
        this.count("log.entries_lost");
        return this.#limited("error", "log.entries_lost", {
          leader: event.leader,
          ...event.lost,
          advice: LOST_ENTRIES_ADVICE,
        });
      case "snapshotSending":
        this.count("snapshot.sent");
        return this.#logger.info("snapshot.sending", { peer: event.peer, index: event.index });
      case "snapshotInstalled":
        this.count("snapshot.installed");
        return this.#logger.info("snapshot.installed", { from: event.from, index: event.index });
      case "heartbeatSent":
      case "heartbeatReceived":
        return this.#heartbeat(event);
      default:
        return unreachable(event);
    }
  }

  /** Limits the log records that a hostile peer could cause at will; the counters count every event. */
  #limited(level: "warn" | "error", event: string, properties: Record<string, unknown>): void {
    const admitted = this.#limiter.admit(event);
    if (admitted !== null) this.#logger[level](event, { ...properties, ...admitted });
  }

  #won(certificate: Certificate): void {
    const nowMs = performance.now();
    this.took("election.signing", nowMs - this.#signingStartedMs);
    const ms = Math.round((nowMs - this.#electionStartedMs) * 10) / 10;
    this.count("election.won");
    this.#logger.info("election.won", { ...describe(certificate), ms });
  }

  /** In both records `peer_id` is the leader, the sender of the heartbeat. */
  #heartbeat(event: Extract<RaftEvent, { kind: "heartbeatSent" | "heartbeatReceived" }>): void {
    const { term, leader } = event;
    if (event.kind === "heartbeatReceived") {
      const record = { Heartbeat: { term, peer_id: leader } };
      return this.#logger.debug("heartbeat.received", { record });
    }
    const record = { HeartbeatLeaderEntry: { term, peer_id: leader, leader: true } };
    this.#logger.debug("heartbeat.sent", { record });
  }
}

function describe({ term, leader, epoch }: Certificate): Record<string, unknown> {
  return { term, leader, epoch };
}

/**
 * The peers' configurations, as of their last connection. A difference is logged once, and again when it changes,
 * however often such peers connect.
 */
export class PeerConfigurations {
  readonly #config: ClusterConfig;
  readonly #logger = getLogger(["floe", "node"]);
  readonly #limiter = new LogLimiter(() => performance.now());
  readonly #heard = new Map<NodeId, Uint8Array | null>();
  #isStopped = false;

  /** Begins without any peer. `config` is this node's own. */
  constructor(config: ClusterConfig) {
    this.#config = config;
  }

  /**
   * A peer has connected; `different` is its configuration, or null if it is the same. Returns whether it was
   * compared.
   */
  heard(peer: NodeId, different: Uint8Array | null): boolean {
    if (this.#isStopped) return false;
    const before = this.#heard.get(peer);
    this.#heard.set(peer, different);
    if (different === null) {
      if (before) this.#logger.info("configuration.equal", { peer });
    } else if (!before || !equalBytes(before, different)) {
      this.#warn(peer, different);
    }
    return true;
  }

  /** From now on the nodes' files do not matter. */
  stop(): void {
    this.#isStopped = true;
  }

  #warn(peer: NodeId, different: Uint8Array): void {
    const event = "configuration.different";
    // One limiter for each peer, so that one that floods hides no other; there are no more than peers.
    const admitted = this.#limiter.admit(`${event} of ${peer}`);
    if (admitted === null) return;
    const differences = describeDifferences(this.#config, different);
    this.#logger.warn(event, { peer, differences, ...admitted });
  }

  /** Whether a peer has the same configuration; null when it has not connected yet. */
  isEqual(peer: NodeId): boolean | null {
    const different = this.#heard.get(peer);
    return different === undefined ? null : different === null;
  }
}

/** What is wrong with the node itself; null when nothing is known to be wrong. Such a node should get no traffic. */
export function troubleOf({ lacksState, lostEntries }: RaftView): string | null {
  if (lostEntries !== null) {
    const { acknowledgedIndex, heldIndex } = lostEntries;
    return `it has acknowledged entry ${acknowledgedIndex}, and its log ends at ${heldIndex}: ` +
      "its data folder is an older copy, or its disk lost what was written";
  }
  return lacksState ? "its data were lost, and no leader has sent a snapshot yet" : null;
}

/** The highest index that the leader has named as committed. */
export function leaderCommitOf({ role, commitIndex, leaderCommit }: RaftView): LogIndex {
  return role.name === "leader" ? commitIndex : leaderCommit;
}
