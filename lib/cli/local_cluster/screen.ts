/**
 * The lines that `floe cluster` shows on a terminal: a pure function of the known state.
 *
 * @module
 */

import { type Health, HEALTH_NAMES, judgeCluster } from "../../verdict.ts";
import type { StatusBody } from "../../wire/mod.ts";
import { printable } from "../output.ts";
import type { NodeState } from "./local_cluster.ts";

/** The style of a piece of text. */
type Style = "bold" | "dim" | "red" | "green" | "yellow" | "cyan" | "inverse";

/** A piece of a line. */
interface Span {
  readonly text: string;
  readonly style: Style | null;
}

/** A line of the screen. */
export type Line = readonly Span[];

/** The row of a node. */
export interface NodeView {
  readonly id: string;
  readonly state: NodeState;
  /** The last term it announced; null before. */
  readonly term: number | null;
  /** The last index that it has applied; null while it does not answer. */
  readonly applied: number | null;
  readonly api: string;
  readonly pid: number;
}

/** A voter that this command does not run, as its nodes see it. */
export interface VoterElsewhere {
  readonly id: string;
  readonly isUp: boolean;
  readonly isLeader: boolean;
}

/** An election whose certificate was verified. */
export interface ElectionView {
  readonly term: number;
  readonly leader: string;
  /** From the loss of the leader before, or from the start, to the certificate, in ms. */
  readonly ms: number;
  /** The 64 bytes of its signature, in hex. */
  readonly signature: string;
}

/** The writes that this command makes on demand. */
export interface LoadView {
  readonly isRunning: boolean;
  /** Acknowledged writes in each of the last seconds, oldest first. */
  readonly perSecond: readonly number[];
  /** The median of their times in the last second, in ms; null if there was none. */
  readonly medianMs: number | null;
}

/** Everything that the screen shows. */
export interface ScreenView {
  readonly cluster: string;
  readonly threshold: number;
  /** In hex; null while the nodes make it. */
  readonly groupKey: string | null;
  readonly upMs: number;
  readonly nodes: readonly NodeView[];
  /** The voters that others run, as floe join does in another terminal. */
  readonly elsewhere: readonly VoterElsewhere[];
  /** The node that `p` and `x` act on. */
  readonly selected: string;
  /** Newest first. */
  readonly elections: readonly ElectionView[];
  readonly load: LoadView;
  /** Newest last. */
  readonly messages: readonly string[];
  readonly isHelpShown: boolean;
}

/** The smallest terminal for whole rows; on a smaller one the rows are cut. */
const ROWS_MIN = 16;
/** Most elections shown; messages get the rest. */
const ELECTIONS_MAX = 6;
const MESSAGES_MIN = 3;
/** Seconds of load in the small chart. */
const CHART_SECONDS = 30;
const CHART_BARS = " ▁▂▃▄▅▆▇█";
/** This many digits are enough to distinguish signatures at a glance. */
const SIGNATURE_DIGITS = 16;
const NUMBER_KEYS_MAX = 9;

const KEYS: readonly (readonly [key: string, does: string])[] = [
  ["1-9", "kill that node, or start it again"],
  ["l", "kill the leader"],
  ["up, down", "choose a node (marked >)"],
  ["p", "pause the chosen node (SIGSTOP), or let it go on"],
  ["x", "cut the chosen node off from the others, or connect it again"],
  ["h", "heal: everything runs and is connected again"],
  ["w", "write to the cluster, or stop writing"],
  ["v", "verify every certificate again, under the group key"],
  ["o", "open the page, with the key and buttons for the nodes, in a browser"],
  ["?", "this help"],
  ["q", "stop all nodes and quit; their data are kept"],
];

/** The lines for a terminal of this size: exactly `rows` of them. */
export function renderScreen(
  view: ScreenView,
  { columns, rows }: { readonly columns: number; readonly rows: number },
): readonly Line[] {
  const height = Math.max(rows, ROWS_MIN);
  const head = [titleLine(view, columns), [], ...nodeLines(view, height), []];
  const foot = [footLine(columns)];
  const body = view.isHelpShown
    ? helpLines()
    : detailLines(view, height - head.length - foot.length);
  const blank = Array.from({ length: height }, (): Line => []);
  const upper = [...head, ...body, ...blank].slice(0, height - foot.length);
  return [...upper, ...foot].slice(-rows).map((line) => cut(line, columns));
}

/** The state of the cluster, in one or two words. */
export function verdictOf({ nodes, elsewhere, threshold }: ScreenView): Span {
  const voters = [
    ...nodes.map(({ id, state }) => ({ id, isUp: !OUT_OF_REACH.includes(state) })),
    ...elsewhere.map(({ id, isUp }) => ({ id, isUp })),
  ];
  const leads = nodes.find(({ state }) => state === "leader") ??
    elsewhere.find(({ isLeader }) => isLeader);
  const leader = leads?.id ?? null;
  const { health } = judgeCluster({
    threshold,
    voters: voters.map((voter) => ({ ...voter, isShareLost: false, trouble: null })),
    leader,
  });
  const isElecting = health === "degraded" && leader === null;
  const name = isElecting ? "ELECTING" : HEALTH_NAMES[health];
  const up = voters.filter(({ isUp }) => isUp).length;
  return span(`${name}, ${up} of ${voters.length} up`, HEALTH_STYLES[health]);
}

/**
 * The voters that are none of `own`, as the node of the newest term knows them. A learner is no voter: where there
 * are more peers than voters, the last ones are left out.
 */
export function votersElsewhere(
  bodies: readonly Pick<StatusBody, "term" | "n" | "leader" | "peers">[],
  own: readonly string[],
): readonly VoterElsewhere[] {
  const [newest] = bodies.toSorted((left, right) => right.term - left.term);
  if (newest === undefined) return [];
  const isUp = (id: string) =>
    bodies.some(({ peers }) => peers.some((peer) => peer.id === id && peer.connected));
  return newest.peers.filter(({ id }) => !own.includes(id))
    .slice(0, Math.max(0, newest.n - own.length))
    .map(({ id }) => ({ id, isUp: isUp(id), isLeader: newest.leader === id }));
}

/** The states in which the other nodes cannot reach a node. */
const OUT_OF_REACH: readonly NodeState[] = ["down", "paused", "cut"];

const HEALTH_STYLES: Readonly<Record<Health, Style>> = {
  healthy: "green",
  degraded: "yellow",
  writesOnly: "red",
  noQuorum: "red",
  keyLost: "red",
};

function titleLine(view: ScreenView, columns: number): Line {
  const left = [
    span(" floe ", "inverse"),
    span(` ${printable(view.cluster)}  `, "bold"),
    verdictOf(view),
    span(`, ${view.threshold} must sign`, null),
  ];
  const right = `up ${formatDuration(view.upMs)} `;
  const gap = columns - lengthOf(left) - right.length;
  return [...left, span(" ".repeat(Math.max(1, gap)), null), span(right, "dim")];
}

/** The table of nodes, or its part around the chosen node. */
function nodeLines({ nodes, selected, elections }: ScreenView, height: number): readonly Line[] {
  const most = Math.max(3, height - MESSAGES_MIN - ELECTIONS_MAX - 8);
  const at = nodes.findIndex(({ id }) => id === selected);
  const first = Math.max(0, Math.min(at - Math.floor(most / 2), nodes.length - most));
  const shown = nodes.slice(first, first + most);
  const width = Math.max(4, ...nodes.map(({ id }) => id.length));
  const ahead = Math.max(0, ...nodes.map(({ applied }) => applied ?? 0));
  const header = [
    `     ${"NODE".padEnd(width)}  ROLE           TERM  APPLIED    BEHIND  API              PID`,
  ];
  const hidden = nodes.length - shown.length;
  const lines = shown.map((node, offset) =>
    nodeLine(node, {
      number: first + offset + 1,
      isSelected: node.id === selected,
      isProven: elections[0]?.leader === node.id,
      width,
      ahead,
    })
  );
  return [
    [span(header.join(""), "dim")],
    ...lines,
    ...(hidden > 0 ? [[span(`     and ${hidden} more: up, down`, "dim")]] : []),
  ];
}

interface NodePlace {
  /** Its number, from 1; up to {@linkcode NUMBER_KEYS_MAX} also the key that kills it. */
  readonly number: number;
  readonly isSelected: boolean;
  /** Whether the newest certificate is its own. */
  readonly isProven: boolean;
  readonly width: number;
  readonly ahead: number;
}

function nodeLine(node: NodeView, place: NodePlace): Line {
  const { id, state, term, applied, api, pid } = node;
  const key = place.number <= NUMBER_KEYS_MAX ? `${place.number}` : " ";
  const behind = applied === null ? "-" : `${place.ahead - applied}`;
  const isLeader = state === "leader" && place.isProven;
  return [
    span(` ${place.isSelected ? ">" : " "} ${key} `, place.isSelected ? "bold" : "dim"),
    span(id.padEnd(place.width), isLeader ? "bold" : null),
    span(`  ${(isLeader ? "★ leader" : labelOf(state)).padEnd(13)}`, STYLES[state]),
    span(`  ${cell(term, 4)}  ${cell(applied, 9)}  ${behind.padStart(6)}`, null),
    span(`  ${api.padEnd(15)}  ${pid}`, "dim"),
  ];
}

const STYLES: Readonly<Record<NodeState, Style | null>> = {
  starting: "dim",
  follower: null,
  preCandidate: "yellow",
  candidate: "yellow",
  leader: "green",
  paused: "yellow",
  cut: "yellow",
  down: "red",
};

function labelOf(state: NodeState): string {
  if (state === "cut") return "cut off";
  return state === "preCandidate" ? "pre-candidate" : state;
}

/** The key, the load, the elections and what happened last. */
function detailLines(view: ScreenView, room: number): readonly Line[] {
  const { elections, messages } = view;
  const fixed: readonly Line[] = [keyLine(view), loadLine(view.load), []];
  const left = Math.max(0, room - fixed.length - 3);
  const shown = elections.slice(0, Math.min(ELECTIONS_MAX, Math.max(1, left - MESSAGES_MIN)));
  const more = elections.length - shown.length;
  const title = more > 0 ? ` ELECTIONS  and ${more} before` : " ELECTIONS";
  const told = left - Math.max(1, shown.length);
  return [
    ...fixed,
    [span(title, "dim")],
    ...(shown.length === 0
      ? [[span("  none yet", "dim")]]
      : shown.map((election) => electionLine(election))),
    [],
    ...messages.slice(-Math.max(0, told)).map((text) => [span(` ${printable(text)}`, null)]),
  ];
}

function keyLine({ groupKey }: ScreenView): Line {
  return groupKey === null
    ? [span(" group key  ", "dim"), span("the nodes are making it together", "yellow")]
    : [span(" group key  ", "dim"), span(groupKey, null)];
}

function loadLine({ isRunning, perSecond, medianMs }: LoadView): Line {
  const now = perSecond.at(-1) ?? 0;
  if (!isRunning && now === 0) {
    return [span(" writes     ", "dim"), span("none from here; press w", "dim")];
  }
  const median = medianMs === null ? "" : `, median ${medianMs.toFixed(1)} ms`;
  return [
    span(" writes     ", "dim"),
    span(`${now} a second${median}`.padEnd(34), null),
    span(chartOf(perSecond), "cyan"),
  ];
}

function chartOf(perSecond: readonly number[]): string {
  const shown = perSecond.slice(-CHART_SECONDS);
  const most = Math.max(1, ...shown);
  const last = CHART_BARS.length - 1;
  return shown.map((count) => CHART_BARS.charAt(Math.ceil(count / most * last))).join("");
}

function electionLine({ term, leader, ms, signature }: ElectionView): Line {
  return [
    span(`  term ${`${term}`.padEnd(5)} ${leader.padEnd(12)} ${`${ms}`.padStart(6)} ms  `, null),
    span("✓ certificate valid  ", "green"),
    span(`${signature.slice(0, SIGNATURE_DIGITS)}…`, "dim"),
  ];
}

function helpLines(): readonly Line[] {
  return KEYS.map(([key, does]) => [span(`  ${key.padEnd(10)}`, "bold"), span(does, null)]);
}

function footLine(columns: number): Line {
  const text = " 1-9 kill  l leader  p pause  x cut  h heal  w write  o page  ? help  q quit";
  return [span(text.padEnd(columns), "inverse")];
}

function cell(value: number | null, width: number): string {
  return (value === null ? "-" : `${value}`).padEnd(width);
}

/** `0:05:09`. */
export function formatDuration(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  const two = (value: number) => `${value}`.padStart(2, "0");
  return `${Math.floor(seconds / 3600)}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
}

function span(text: string, style: Style | null): Span {
  return { text, style };
}

function lengthOf(line: Line): number {
  return line.reduce((length, { text }) => length + text.length, 0);
}

/** Cuts a line to this many characters. Every character on the screen is one column wide. */
function cut(line: Line, columns: number): Line {
  let left = columns;
  return line.flatMap(({ text, style }) => {
    const kept = text.slice(0, Math.max(0, left));
    left -= text.length;
    return kept === "" ? [] : [{ text: kept, style }];
  });
}

/** Select Graphic Rendition codes (ECMA-48 §8.3.117). */
const CODES: Readonly<Record<Style, number>> = {
  bold: 1,
  dim: 2,
  red: 31,
  green: 32,
  yellow: 33,
  cyan: 36,
  inverse: 7,
};

/** A line with its escape sequences. Without colours, `inverse` stays, because it marks the bars. */
export function toTerminal(line: Line, options: { readonly hasColours: boolean }): string {
  return line.map(({ text, style }) => {
    const isPlain = style === null || (!options.hasColours && style !== "inverse");
    return isPlain ? text : `\x1b[${CODES[style]}m${text}\x1b[0m`;
  }).join("");
}
