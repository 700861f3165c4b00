/**
 * Worlds in which one thing goes wrong, and that often: for bugs that chance would find too late. All else
 * is calm. Each is run like any seed, from faults over healing to the comparison of all answers.
 *
 * @module
 */

import { LEADER_LIES } from "./members/leader_lies.ts";
import { MEMBER_LIES, SIGNING_LIES } from "./members/member_lies.ts";
import { KEEP_ALIVE_SHARE, type MembersScenario, type StoreScenario } from "./more_scenario.ts";
import { drawScenario, leaseDriftOf, type LimitsScenario, type Scenario } from "./scenario.ts";

/** Nothing fails: no message is lost, no disk breaks, no clock drifts, nobody lies. */
export function calmScenario(seed: number): Scenario {
  return {
    ...drawScenario(seed),
    size: 3,
    threshold: 2,
    liars: 0,
    lies: [],
    lying: { isConstant: true, turnUs: null, mischiefUsMean: 40_000 },
    replicationHolds: true,
    realFrost: false,
    encodesMessages: false,
    tickUs: 20_000,
    electionTimeoutTicks: 15,
    heartbeatTicks: 3,
    signingTimeoutTicks: 4,
    clockDriftMax: 0,
    hasGoodClocks: true,
    hasExtremeClocks: false,
    turnUsMean: 0,
    limits: null,
    rememberedEntries: null,
    persistUsMean: 500,
    logEntriesMax: 60,
    chunkBytesMax: 5_000,
    snapshotFailureRate: 0,
    acknowledgeUsMean: 0,
    network: {
      latencyUsMin: 200,
      latencyUsMean: 1_000,
      dropRate: 0,
      duplicateRate: 0,
      reorderRate: 0,
      longTailRate: 0,
      longTailUsMean: 0,
      echoRate: 0,
      farNodes: 0,
      farUs: 0,
    },
    workload: {
      clients: 4,
      keys: 3,
      thinkUsMean: 100_000,
      readShare: 0.1,
      deleteShare: 0,
      leaseShare: 0,
      conditionShare: 0,
      retryShare: 0,
      timeoutMs: 1_000,
      strictShare: 0,
      echoShare: 0,
      tokenShare: 0,
      distanceUs: 0,
      valueBytesMax: 16,
    },
    store: null,
    members: null,
    faults: [],
    faultIntervalUsMean: 1_000_000,
    faultUsMean: 1_000_000,
  };
}

/** The calm world's election timeout. */
const ELECTION_TIMEOUT_US = 300_000;

/** Makes a world of a seed. */
type Direction = (seed: number) => Scenario;

const leftBehind: Direction = (seed) => ({
  ...calmScenario(seed),
  logEntriesMax: 10,
  chunkBytesMax: 100,
  faults: ["leaveBehind"],
});

/** Whoever does not answer is sent nothing more, and so is soon behind. */
const ONE_AT_A_TIME: LimitsScenario = {
  append: { entriesMax: 1, bytesMax: 500 },
  inflight: { messagesMax: 1, bytesMax: 500 },
  uncommittedBytesMax: 1_500,
  readersMax: 3,
  inboxMessagesMax: 20,
};

/** Some who use all of the store. */
const STORE: StoreScenario = {
  clients: 1,
  holders: 1,
  keepAliveShare: KEEP_ALIVE_SHARE,
  watchers: 1,
  keys: 4,
  thinkUsMean: 50_000,
  historyChangesMax: null,
};

const shortLeases: Direction = (seed) => {
  const calm = calmScenario(seed);
  return {
    ...calm,
    network: { ...calm.network, latencyUsMin: 5_000, latencyUsMean: ELECTION_TIMEOUT_US / 10 },
    workload: { ...calm.workload, readShare: 0.7, leaseShare: 1 },
    faultIntervalUsMean: 300_000,
    faultUsMean: 2 * ELECTION_TIMEOUT_US,
  };
};

const beyondTheLine: Direction = (seed) => ({
  ...calmScenario(seed),
  size: 5,
  threshold: 4,
  liars: 2,
  replicationHolds: false,
  faults: ["kill", "isolateLeader"],
});

/** The members change all the time, and nobody lies. */
const CHANGES: MembersScenario = {
  joiners: 3,
  changeUsMean: 200_000,
  killShare: 0,
  fullDiskShare: 0,
  planShare: 0,
  lies: [],
  liesForEver: false,
};

/** Four voters, three of whom sign: one may be lost, or lie. */
function changingFour(seed: number, members: Partial<MembersScenario>): Scenario {
  const size = { size: 4, threshold: 3 };
  return { ...calmScenario(seed), ...size, members: { ...CHANGES, ...members } };
}

/** Every world, by name. */
export const DIRECTED_WORLDS = {
  /** One of four messages is lost, also of those that bring a snapshot. */
  lostChunks: (seed) => {
    const left = leftBehind(seed);
    return { ...left, network: { ...left.network, dropRate: 0.25 } };
  },
  /** Every other snapshot cannot be made. */
  failingSnapshots: (seed) => ({ ...leftBehind(seed), snapshotFailureRate: 0.5 }),
  /** Every other message comes twice, and the disk is slow. */
  doubledChunks: (seed) => {
    const left = leftBehind(seed);
    const network = { ...left.network, duplicateRate: 0.5, reorderRate: 0.5 };
    return { ...left, network, persistUsMean: 10_000, faults: ["leaveBehind", "slowDisk"] };
  },
  /** Leaders are cut off, and their clocks are as far from the others' as leases allow for. */
  clocksAtTheEdge: (seed) => {
    const leased = shortLeases(seed);
    return {
      ...leased,
      clockDriftMax: leaseDriftOf(leased),
      hasExtremeClocks: true,
      faults: ["isolateLeader"],
    };
  },
  /** Leaders stand still for a while. */
  standingStill: (seed) => ({ ...shortLeases(seed), faults: ["pause", "isolateLeader"] }),
  /** Voters restart while their leader is cut off. */
  restartingVoters: (seed) => ({
    ...shortLeases(seed),
    faults: ["kill", "quickRestarts", "isolateLeader"],
  }),
  /** Everybody hears late that the disk is done, while leaders come and go. */
  lateDisks: (seed) => ({
    ...calmScenario(seed),
    acknowledgeUsMean: 200_000,
    faults: ["forsakeLeader", "isolateLeader", "coup"],
    faultIntervalUsMean: 300_000,
  }),
  /** Leaders hand over slowly and often, while leases run out that are kept alive in the last moment. */
  leasesHandedOver: (seed) => {
    const calm = calmScenario(seed);
    return {
      ...calm,
      network: { ...calm.network, latencyUsMean: ELECTION_TIMEOUT_US / 15 },
      store: { ...STORE, holders: 8, keepAliveShare: { least: 0.95, most: 1.25 } },
      faults: ["transfer"],
      faultIntervalUsMean: 300_000,
    };
  },
  /** One leader takes one write at a time from several, and refuses all others, the end of leases too. */
  leasesInACrowd: (seed) => {
    const calm = calmScenario(seed);
    return {
      ...calm,
      limits: { ...ONE_AT_A_TIME, uncommittedBytesMax: 300 },
      persistUsMean: 5_000,
      store: { ...STORE, holders: 4, watchers: 0 },
    };
  },
  /** History is short, nodes are left behind, and everybody watches. */
  shortHistories: (seed) => ({
    ...leftBehind(seed),
    store: { ...STORE, clients: 2, watchers: 4, historyChangesMax: 10 },
    faults: ["leaveBehind", "kill"],
  }),
  /** The members change all the time, and leaders die at each step. */
  changingMembers: (seed) => ({
    ...changingFour(seed, { killShare: 0.01 }),
    logEntriesMax: 20,
    faults: ["kill", "isolateLeader"],
    faultIntervalUsMean: 3_000_000,
  }),
  /** The same from few on, so that the majorities before and after a change differ. */
  growingMembers: (seed) => {
    const calm = calmScenario(seed);
    return {
      ...calm,
      network: { ...calm.network, latencyUsMean: ELECTION_TIMEOUT_US / 20 },
      persistUsMean: 10_000,
      members: { ...CHANGES, joiners: 4 },
      faults: ["isolateLeader"],
      faultIntervalUsMean: 5_000_000,
    };
  },
  /** Leaders die when they have written a configuration, and others may never hear of it. */
  unheardConfigurations: (seed) => ({
    ...changingFour(seed, { killShare: 0.6, killStep: "configuration" }),
    persistUsMean: 5_000,
    faults: ["transfer"],
    faultIntervalUsMean: 2_000_000,
  }),
  /** One voter lies in every change of the members. */
  lyingMembers: (seed) => ({
    ...changingFour(seed, { joiners: 2, planShare: 0.5, lies: MEMBER_LIES }),
    faults: ["transfer"],
  }),
  /** One voter offers to sign each membership, and declines at once or signs something else. It never stops. */
  lyingSigner: (seed) => ({
    ...changingFour(seed, { lies: SIGNING_LIES, liesForEver: true }),
    faults: ["transfer"],
  }),
  /** One voter lies about the members whenever it leads, and it leads often. */
  lyingLeader: (seed) => ({
    ...changingFour(seed, { planShare: 0.5, lies: LEADER_LIES }),
    faults: ["transfer"],
    faultIntervalUsMean: 1_000_000,
  }),
  /** Disks are full just when nodes write steps of a change, or shares. */
  fullDisks: (seed) => ({
    ...changingFour(seed, { fullDiskShare: 0.05, planShare: 0.5 }),
    faults: ["transfer"],
    faultUsMean: 500_000,
  }),
  /** Voters lose their disks for good, and operators replace them, often two operators at once. */
  replacedMembers: (seed) => ({
    ...changingFour(seed, { joiners: 6, killShare: 0.01, planShare: 1 }),
    logEntriesMax: 20,
    faults: ["kill", "isolateLeader"],
    faultIntervalUsMean: 3_000_000,
  }),
  /** Older copies of the store come back. */
  olderStores: (seed) => ({
    ...calmScenario(seed),
    logEntriesMax: 5,
    faults: ["staleStore", "kill", "burst"],
    faultIntervalUsMean: 500_000,
  }),
  /** Liars ask for certificates that fewer than t sign. */
  shortCertificates: (seed) => ({ ...beyondTheLine(seed), lies: ["tooFewSigners"] }),
  /** Liars ask for share after share. */
  endlessSessions: (seed) => ({ ...beyondTheLine(seed), lies: ["endlessSessions"] }),
  /** Some nodes hear nothing for many terms of the others. */
  leftInThePast: (seed) => ({
    ...calmScenario(seed),
    size: 5,
    threshold: 3,
    faults: ["leftInThePast", "isolateLeader"],
  }),
  /** Leaders hand over to a liar that claims a transfer ever after. */
  transfersToLiars: (seed) => ({
    ...calmScenario(seed),
    size: 4,
    threshold: 3,
    liars: 1,
    lies: ["transferUnasked"],
    faults: ["transfer"],
    faultIntervalUsMean: 500_000,
  }),
  /** Round trips take half an election timeout, and leadership goes round after healing. */
  slowTransfers: (seed) => {
    const calm = calmScenario(seed);
    const network = {
      ...calm.network,
      latencyUsMin: ELECTION_TIMEOUT_US / 4,
      latencyUsMean: 1_000,
    };
    return { ...calm, size: 5, threshold: 3, network };
  },
} as const satisfies Record<string, Direction>;

/** The name of a directed world. */
export type DirectedWorld = keyof typeof DIRECTED_WORLDS;
