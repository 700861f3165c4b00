// @ts-check
/// <reference lib="dom" />
/** @import { MembersBody } from "../wire/mod.ts" */
/** @import { NodeView } from "../node_view.ts" */
/** @import { Certified } from "./elections.js" */
/** @import { GroupKey } from "./verify/mod.d.ts" */
/** @import { Proof } from "./verdicts.js" */

/**
 * The page: one stream of events from the node that served it, and what the parts of the page make of them.
 *
 * What the stream says is the nodes' word. What is proven is shown apart: the leader's certificate, verified here
 * against the key in the address.
 *
 * @module
 */

import { events, get, hasToken, Refusal } from "./api.js";
import { CertificateSheet, judge } from "./certificate.js";
import { Chart } from "./charts.js";
import { Demo } from "./demo.js";
import { showDetail, showLegend } from "./details.js";
import { askForToken, bindDialogs, showKeyDialog } from "./dialogs.js";
import { find, setFields, setText } from "./dom.js";
import { Elections } from "./elections.js";
import { Evidence } from "./evidence.js";
import { Keys } from "./keys.js";
import { showLanes } from "./lanes.js";
import { showMembers } from "./members.js";
import { Ring } from "./ring.js";
import { judgeCluster, PROOFS, ringProof, statementOf, toProof, UNKNOWN } from "./verdicts.js";
import { parseGroupKey, toHex } from "./verify/mod.js";

/** After how long a lost stream is opened again. */
const RETRY_MS = 1_000;
/** How often the members are asked for. */
const MEMBERS_INTERVAL_MS = 2_000;
/** The other nodes send their views after a page has begun to ask for them: until then, they are not missing. */
const LISTENING_MS = 2_000;
/** How many elections are asked for. */
const ELECTIONS_ASKED = 12;
/** In the order in which views count them. */
const KINDS = [
  "vote",
  "roundOne",
  "roundTwo",
  "heartbeat",
  "append",
  "snapshot",
  "forward",
  "members",
];
/** Most dots of one kind on one line in one interval. */
const DOTS_PER_LINE = 2;

class Page {
  /** @type {ReadonlyMap<string, NodeView>} */
  #views = new Map();
  /** @type {{ epoch: number, threshold: number, voters: readonly { id: string }[], publicKey: string } | null} */
  #group = null;
  #self = "";
  #intervalMs = 250;
  /** @type {{ leader: string, term: number, certificate: string } | null} */
  #leader = null;
  /** @type {Proof} */
  #proof = "none";
  /** @type {GroupKey | null} */
  #key = null;
  #chosen = "";
  #asked = "";
  #running = new AbortController();
  /** @type {MembersBody | null} */
  #members = null;
  #membersAskedMs = 0;
  #startedMs = 0;
  #ring = new Ring(find("ring"), (id) => {
    this.#chosen = id;
    this.#show();
  });
  #sheet = new CertificateSheet();
  #elections = new Elections(find("election-list"), (election) => this.#open(election));
  #evidence = new Evidence((election) => this.#open(election));
  #keys = new Keys();
  #demo = new Demo();
  #writes = new Chart(find("charts"), { title: "Commits", unit: "a second" });
  #latency = new Chart(find("charts"), { title: "Write latency", unit: "ms" });
  /** @type {{ atMs: number, commitIndex: number, count: number, totalMs: number } | null} */
  #measured = null;
  /** @type {Map<string, number>} */
  #rates = new Map();

  constructor() {
    find("open-certificate").addEventListener("click", () => {
      if (this.#leader !== null) this.#open(this.#leader);
    });
    addEventListener("hashchange", () => void this.#readAddress());
    bindDialogs({
      pin: (key) => pinInAddress(toHex(key.publicKey)),
      useToken: () => void this.run(),
      pinned: () => this.#key === null ? "" : toHex(this.#key.publicKey),
    });
  }

  /** Runs until the page is left, or is called again, with another token: a page has one stream. */
  async run() {
    this.#running.abort();
    this.#running = new AbortController();
    const { signal } = this.#running;
    await this.#readAddress();
    while (await this.#follow(signal) && !signal.aborted) {
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }

  /**
   * Follows one stream to its end; whether to try again.
   *
   * @param {AbortSignal} signal
   */
  async #follow(signal) {
    try {
      this.#group = await get("/v1/group");
      for await (const { event, data } of events("/v1/events", signal)) {
        if (event === "problem") throw new Refusal(data.code, data.detail);
        if (event === "start") this.#start(data);
        if (event === "view") this.#take(data.nodes);
      }
      this.#lose("This node has ended the stream");
    } catch (error) {
      if (signal.aborted) return false;
      if (
        error instanceof Refusal && (error.code === "unauthorized" || error.code === "forbidden")
      ) {
        // The dialog itself says that a token is needed.
        askForToken(hasToken() ? error.message : "");
        this.#lose("A token is needed");
        return false;
      }
      this.#lose(error instanceof Refusal ? error.message : "This node does not answer");
    }
    return true;
  }

  /** @param {{ cluster: string, id: string, intervalMs: number }} start */
  #start({ cluster, id, intervalMs }) {
    this.#self = id;
    this.#startedMs = performance.now();
    this.#intervalMs = intervalMs;
    setText(find("cluster-name"), cluster);
    document.title = `${cluster} · Floe`;
    showConnection("live", `Live from ${id}`);
  }

  /** @param {string} reason */
  #lose(reason) {
    this.#views = new Map();
    this.#leader = null;
    this.#asked = "";
    this.#proof = "none";
    showConnection("lost", `${reason}; trying again`);
    this.#show();
  }

  /** @param {readonly NodeView[]} nodes */
  #take(nodes) {
    this.#sendDots(nodes);
    this.#views = new Map(nodes.map((view) => [view.id, view]));
    this.#elections.learn(nodes);
    this.#measure(nodes);
    const own = this.#views.get(this.#self);
    const newest = `${own?.leader} ${own?.term}`;
    if (newest !== this.#asked) {
      this.#asked = newest;
      void this.#askWhoLeads();
    }
    this.#keys.show(own?.revision ?? 0);
    void this.#askForMembers();
    void this.#evidence.ask(this.#key);
    this.#show();
  }

  async #askForMembers() {
    const nowMs = performance.now();
    if (nowMs - this.#membersAskedMs < MEMBERS_INTERVAL_MS || document.hidden) return;
    this.#membersAskedMs = nowMs;
    try {
      this.#members = await get("/v1/members");
      find("members").hidden = false;
      if (this.#members !== null) showMembers(this.#members);
    } catch {
      // The stream notices as well, and says so.
    }
  }

  /** Who votes, and all that belong to the cluster: as founded, until the node tells the members. */
  #roster() {
    const founders = this.#group?.voters.map(({ id }) => id) ?? [];
    if (this.#members === null) return { voters: founders, all: founders };
    const { members } = this.#members;
    return {
      voters: members.filter(({ role }) => role === "voter").map(({ id }) => id),
      all: members.filter(({ role }) => role !== "removed").map(({ id }) => id),
    };
  }

  get #threshold() {
    return this.#members?.threshold ?? this.#group?.threshold ?? 0;
  }

  async #askWhoLeads() {
    try {
      const [answer, { elections }] = await Promise.all([
        get("/v1/leader"),
        get(`/v1/elections?limit=${ELECTIONS_ASKED}`),
      ]);
      this.#elections.learnCertified(elections);
      this.#leader = answer.leader === null ? null : answer;
      await this.#judge();
      if (this.#leader !== null) announce(`${this.#leader.leader} leads term ${this.#leader.term}`);
    } catch {
      // The stream notices as well, and says so.
      this.#asked = "";
    }
    this.#show();
  }

  async #judge() {
    this.#proof = this.#leader === null ? "none" : toProof(await judge(this.#leader, this.#key));
  }

  async #readAddress() {
    const text = new URLSearchParams(location.hash.slice(1)).get("key");
    try {
      // A plus sign of a verifier key is a space to URLSearchParams.
      this.#key = text === null ? null : parseGroupKey(text.replaceAll(" ", "+"));
    } catch (error) {
      this.#key = null;
      showKeyDialog(error instanceof Error ? error.message : "");
    }
    await this.#judge();
    this.#show();
  }

  /** @param {Certified} election */
  #open(election) {
    void this.#sheet.open(election, { key: this.#key });
  }

  #show() {
    const { voters, all } = this.#roster();
    const leader = this.#leader?.leader ?? null;
    const chosen = this.#views.has(this.#chosen) || all.includes(this.#chosen)
      ? this.#chosen
      : leader ?? this.#self;
    this.#ring.show({
      voters: all,
      views: this.#views,
      leader,
      proof: ringProof(this.#proof),
      chosen,
    });
    showLanes(find("lanes"), { voters: all, views: this.#views });
    this.#elections.show(voters, this.#members?.epoch ?? this.#group?.epoch ?? 0);
    this.#showLeader(voters);
    showDetail(chosen, this.#views.get(chosen));
    this.#demo.show(chosen);
    showLegend(this.#rates);
    find("open-key").dataset["state"] = this.#key === null ? "none" : "pinned";
    setText(find("open-key"), this.#key === null ? "Pin a key" : "Key pinned");
  }

  /** @param {readonly string[]} voters */
  #showLeader(voters) {
    const { leader, term } = this.#leader ?? { leader: null, term: 0 };
    const verdict = judgeCluster({
      voters: voters.length,
      threshold: this.#threshold,
      heard: voters.filter((id) => this.#views.has(id)).length,
      leader,
      isNew: performance.now() - this.#startedMs < LISTENING_MS,
    });
    const isHeard = this.#views.size > 0;
    const none = isHeard ? "Nobody leads" : UNKNOWN.headline;
    const said = isHeard ? PROOFS[this.#proof] : UNKNOWN;
    const section = find("leader");
    section.dataset["proof"] = this.#proof;
    section.dataset["health"] = verdict.health;
    setText(find("verdict"), verdict.words);
    setText(find("leader-headline"), leader === null ? none : `${leader} leads term ${term}`);
    find("proof").dataset["proof"] = this.#proof;
    setText(find("proof-text"), said.words);
    setText(find("proof-detail"), said.detail);
    find("signed").hidden = this.#leader === null;
    setText(find("signed"), statementOf(this.#leader?.certificate ?? ""));
    /** @type {HTMLButtonElement} */ (find("open-certificate")).disabled = this.#leader === null;
    setFields(find("facts"), this.#facts(voters));
  }

  /**
   * @param {readonly string[]} voters
   * @returns {readonly (readonly [string, string])[]}
   */
  #facts(voters) {
    const own = this.#views.get(this.#self);
    const key = this.#key === null ? "none pinned" : short(toHex(this.#key.publicKey));
    return [
      ["Heard", `${this.#views.size} of ${voters.length}`],
      ["Must sign", `${this.#threshold} of ${voters.length}`],
      ["Committed", `${own?.commitIndex ?? 0}`],
      ["Key", key],
    ];
  }

  /** @param {readonly NodeView[]} nodes */
  #sendDots(nodes) {
    this.#rates = new Map();
    for (const { id: from, sent } of nodes) {
      for (const { to, counts } of sent) {
        const before = this.#views.get(from)?.sent.find((other) => other.to === to)?.counts;
        counts.forEach((count, at) => {
          const fresh = Math.max(0, count - (before?.[at] ?? count));
          const kind = KINDS[at] ?? "";
          this.#rates.set(kind, (this.#rates.get(kind) ?? 0) + fresh * 1_000 / this.#intervalMs);
          for (let dot = 0; dot < Math.min(fresh, DOTS_PER_LINE); dot++) {
            this.#ring.send({ from, to, kind, delayMs: Math.random() * this.#intervalMs });
          }
        });
      }
    }
  }

  /** Once a second: what was committed, and how long the clients' writes took. */
  #measure(/** @type {readonly NodeView[]} */ nodes) {
    const atMs = performance.now();
    const before = this.#measured;
    if (before !== null && atMs - before.atMs < 1_000) return;
    const now = {
      atMs,
      commitIndex: Math.max(...nodes.map(({ commitIndex }) => commitIndex)),
      count: nodes.reduce((sum, { writes }) => sum + writes.count, 0),
      totalMs: nodes.reduce((sum, { writes }) => sum + writes.totalMs, 0),
    };
    this.#measured = now;
    if (before === null) return;
    const seconds = (now.atMs - before.atMs) / 1_000;
    this.#writes.push(Math.max(0, now.commitIndex - before.commitIndex) / seconds);
    const count = now.count - before.count;
    this.#latency.push(count > 0 ? Math.max(0, now.totalMs - before.totalMs) / count : 0);
  }
}

/**
 * @param {"live" | "lost"} state
 * @param {string} words
 */
function showConnection(state, words) {
  const element = find("connection");
  element.dataset["state"] = state;
  setText(element, words);
}

/** @param {string} key In hex. */
function pinInAddress(key) {
  const parts = new URLSearchParams(location.hash.slice(1));
  parts.set("key", key);
  location.hash = parts.toString();
}

/** @param {string} words */
function announce(words) {
  setText(find("announcement"), words);
}

/** @param {string} hex */
function short(hex) {
  return `${hex.slice(0, 8)}…${hex.slice(-4)}`;
}

await new Page().run();
