// @ts-check
/// <reference lib="dom" />

/**
 * The keys under a prefix, read again whenever the store has a new revision; leases, and the locks that hang on
 * them; and, for who wants every single change, a watch.
 *
 * @module
 */

import { events, get, Refusal } from "./api.js";
import { find, make } from "./dom.js";

const KEYS_SHOWN = 50;
const LEASES_SHOWN = 20;
const CHANGES_SHOWN = 50;
/** Leases run down by themselves: they are read again so often, while there are any. */
const LEASES_INTERVAL_MS = 2_000;
/** The keys are read no more often than this. */
const READ_INTERVAL_MS = 500;
const VALUE_SHOWN_LENGTH = 200;

/**
 * A key with its value, as `GET /v1/kv` gives it.
 *
 * @typedef {object} Item
 * @property {string} key
 * @property {string} [keyEncoding]
 * @property {string} value
 * @property {string} encoding
 * @property {number} createRevision
 * @property {number} modRevision
 * @property {number} version
 * @property {number} lease
 */

/** See the module. */
export class Keys {
  #prefix = /** @type {HTMLInputElement} */ (find("prefix"));
  #watchButton = find("watch");
  #table = find("key-table");
  #leases = find("lease-table");
  #changes = find("change-list");
  #revision = -1;
  #isReading = false;
  #isStale = true;
  #hasLeases = false;
  #readMs = 0;
  /** @type {AbortController | null} */
  #watch = null;
  /** @type {Map<string, number>} */
  #known = new Map();

  constructor() {
    find("key-form").addEventListener("submit", (event) => event.preventDefault());
    this.#prefix.addEventListener("input", () => {
      this.#known.clear();
      this.#isStale = true;
      void this.#read();
      if (this.#watch !== null) this.#follow();
    });
    this.#watchButton.addEventListener(
      "click",
      () => this.#watch === null ? this.#follow() : this.#stop(),
    );
  }

  /**
   * Tells the store's revision, as often as it is known.
   *
   * @param {number} revision
   */
  show(revision) {
    const hasAged = performance.now() - this.#readMs > LEASES_INTERVAL_MS;
    if (revision !== this.#revision || this.#hasLeases && hasAged) this.#isStale = true;
    this.#revision = revision;
    void this.#read();
  }

  async #read() {
    if (this.#isReading || !this.#isStale || document.hidden) return;
    this.#isReading = true;
    this.#isStale = false;
    this.#readMs = performance.now();
    try {
      await this.#readKeys();
      await this.#readLeases();
    } catch (error) {
      this.#table.replaceChildren(make("p", { class: "soft" }, explain(error)));
    }
    setTimeout(() => {
      this.#isReading = false;
      void this.#read();
    }, READ_INTERVAL_MS);
  }

  async #readKeys() {
    const query = new URLSearchParams({
      prefix: this.#prefix.value,
      limit: String(KEYS_SHOWN),
      consistency: "stale",
    });
    const { items, nextAfter } = await get(`/v1/kv?${query}`);
    const isFirst = this.#known.size === 0;
    const rows = items.map((/** @type {Item} */ item) => this.#makeRow(item, isFirst));
    this.#known = new Map(items.map((/** @type {Item} */ item) => [item.key, item.modRevision]));
    this.#table.replaceChildren(
      rows.length === 0
        ? make("p", { class: "soft" }, "No such keys yet. Try floe put greeting hello.")
        : table(["Key", "Value", "Version", "Revision", "Lease"], rows),
      nextAfter === null
        ? ""
        : make("p", { class: "soft" }, `The first ${KEYS_SHOWN} keys are shown.`),
    );
  }

  /**
   * @param {Item} item
   * @param {boolean} isFirst Whether everything is new.
   */
  #makeRow(item, isFirst) {
    const isChanged = !isFirst && this.#known.get(item.key) !== item.modRevision;
    return make(
      "tr",
      { class: isChanged ? "changed" : "" },
      make("th", { scope: "row" }, item.key),
      make("td", { class: "value", "data-label": "Value" }, shown(item)),
      make("td", { class: "number", "data-label": "Version" }, String(item.version)),
      make("td", { class: "number", "data-label": "Revision" }, String(item.modRevision)),
      make(
        "td",
        { class: "number", "data-label": "Lease" },
        item.lease === 0 ? "none" : String(item.lease),
      ),
    );
  }

  async #readLeases() {
    const { leases } = await get(`/v1/leases?limit=${LEASES_SHOWN}&consistency=stale`);
    const details = await Promise.all(
      leases.map((/** @type {{ id: number }} */ { id }) =>
        get(`/v1/leases/${id}`).catch(() => null)
      ),
    );
    const found = details.filter((lease) => lease !== null);
    const locks = await findLocks(found);
    const rows = found.map((lease) => leaseRow(lease, locks));
    this.#hasLeases = rows.length > 0;
    this.#leases.replaceChildren(
      rows.length === 0
        ? make("p", { class: "soft" }, "No leases. floe lock NAME takes one.")
        : table(["Lease", "Lives", "Keys", "Locks"], rows),
    );
  }

  #follow() {
    this.#watch?.abort();
    const watch = new AbortController();
    this.#watch = watch;
    this.#watchButton.setAttribute("aria-pressed", "true");
    find("changes").hidden = false;
    this.#changes.replaceChildren();
    void this.#receive(watch.signal);
  }

  #stop() {
    this.#watch?.abort();
    this.#watch = null;
    this.#watchButton.setAttribute("aria-pressed", "false");
  }

  /** @param {AbortSignal} signal */
  async #receive(signal) {
    const query = new URLSearchParams({ prefix: this.#prefix.value });
    try {
      for await (const { event, data } of events(`/v1/watch?${query}`, signal)) {
        if (event === "problem") throw new Refusal(data.code, data.detail);
        if (event !== "") continue;
        for (const change of data.events) this.#note(change, data.revision);
      }
    } catch (error) {
      if (!signal.aborted) this.#changes.prepend(make("li", { class: "error" }, explain(error)));
    }
    if (!signal.aborted) this.#stop();
  }

  /**
   * @param {Item & { type: string }} change
   * @param {number} revision
   */
  #note(change, revision) {
    const value = change.type === "put" ? ` = ${shown(change)}` : "";
    this.#changes.prepend(
      make(
        "li",
        {},
        make("span", { class: "number" }, String(revision)),
        make("span", { class: "kind", "data-kind": change.type }, change.type),
        make("code", {}, `${change.key}${value}`),
      ),
    );
    while (this.#changes.childElementCount > CHANGES_SHOWN) {
      this.#changes.lastElementChild?.remove();
    }
  }
}

/**
 * A lease, as `GET /v1/leases/{id}` gives it.
 *
 * @typedef {{ id: number, ttlSeconds: number, secondsLeft: number, keys: { key: string }[] }} Lease
 */

/**
 * The locks: a claim is a key `NAME/LEASE`, and the claim that was created first holds. Its createRevision is
 * the fence.
 *
 * @param {readonly Lease[]} leases
 * @returns {Promise<Map<string, { holder: string, fence: number }>>}
 */
async function findLocks(leases) {
  const names = new Set(
    leases.flatMap(({ id, keys }) => keys.flatMap(({ key }) => lockName(key, id) ?? [])),
  );
  const found = await Promise.all([...names].map(async (name) => {
    const query = new URLSearchParams({
      prefix: `${name}/`,
      consistency: "stale",
      limit: String(KEYS_SHOWN),
    });
    const { items } = await get(`/v1/kv?${query}`);
    const claims = items.filter((/** @type {Item} */ item) =>
      lockName(item.key, item.lease) === name
    )
      .sort((/** @type {Item} */ a, /** @type {Item} */ b) => a.createRevision - b.createRevision);
    return [name, { holder: claims[0]?.key ?? "", fence: claims[0]?.createRevision ?? 0 }];
  }));
  return new Map(/** @type {[string, { holder: string, fence: number }][]} */ (found));
}

/**
 * @param {string} key
 * @param {number} lease
 */
function lockName(key, lease) {
  const end = `/${lease.toString(16)}`;
  return lease !== 0 && key.endsWith(end) ? key.slice(0, -end.length) : null;
}

/**
 * @param {Lease} lease
 * @param {Map<string, { holder: string, fence: number }>} locks
 */
function leaseRow({ id, ttlSeconds, secondsLeft, keys }, locks) {
  const claims = keys.flatMap(({ key }) => {
    const name = lockName(key, id);
    const lock = name === null ? undefined : locks.get(name);
    if (lock === undefined) return [];
    return [lock.holder === key ? `holds ${name}, fence ${lock.fence}` : `waits for ${name}`];
  });
  return make(
    "tr",
    {},
    make("th", { scope: "row" }, String(id)),
    make("td", { class: "number", "data-label": "Lives" }, `${secondsLeft} of ${ttlSeconds} s`),
    make(
      "td",
      { class: "value", "data-label": "Keys" },
      keys.map(({ key }) => key).join(", ") || "none",
    ),
    make("td", { "data-label": "Locks" }, claims.join("; ") || "none"),
  );
}

/**
 * @param {readonly string[]} heads
 * @param {readonly Node[]} rows
 */
function table(heads, rows) {
  return make(
    "table",
    {},
    make("thead", {}, make("tr", {}, ...heads.map((head) => make("th", { scope: "col" }, head)))),
    make("tbody", {}, ...rows),
  );
}

/** @param {Item} item */
function shown({ value, encoding }) {
  const text = encoding === "base64" ? `base64 ${value}` : value;
  return text.length > VALUE_SHOWN_LENGTH ? `${text.slice(0, VALUE_SHOWN_LENGTH)}…` : text;
}

/** @param {unknown} error */
function explain(error) {
  if (error instanceof Refusal && error.code === "forbidden") {
    return "This token may not read these keys: it takes the scope read.";
  }
  return error instanceof Error ? error.message : String(error);
}
