// @ts-check
/// <reference lib="dom" />

/**
 * The buttons of a demo on one machine, where `floe cluster` serves the page: kill and start, pause and resume,
 * cut off and heal, replace the chosen node, show it a forged certificate, and add a node. They are there only
 * when the address has the secret that `floe cluster` printed.
 *
 * @module
 */

import { find, make, setText } from "./dom.js";

/**
 * What each button does, and for which states of the chosen node's process it is there.
 *
 * @type {readonly { action: string, words: (node: string) => string, isFor: (state: string) => boolean }[]}
 */
const BUTTONS = [
  { action: "kill", words: (node) => `Kill ${node}`, isFor: (state) => state !== "down" },
  { action: "start", words: (node) => `Start ${node}`, isFor: (state) => state === "down" },
  { action: "pause", words: (node) => `Pause ${node}`, isFor: isReached },
  { action: "resume", words: (node) => `Resume ${node}`, isFor: (state) => state === "paused" },
  { action: "cut", words: (node) => `Cut ${node} off`, isFor: isReached },
  { action: "heal", words: (node) => `Heal ${node}`, isFor: (state) => state === "cut" },
  { action: "forge", words: (node) => `Show ${node} a forged certificate`, isFor: isReached },
  { action: "replace", words: (node) => `Replace ${node}`, isFor: () => true },
  { action: "add", words: () => "Add a node", isFor: () => true },
];

/** @param {string} state Of a node's process. */
function isReached(state) {
  return !["down", "paused", "cut"].includes(state);
}

/** How often the processes' states are asked for. */
const ASK_MS = 1_000;

/** See the module. */
export class Demo {
  #secret = new URLSearchParams(location.hash.slice(1)).get("demo");
  #host = find("demo");
  #said = make("p", { class: "said", role: "status" });
  /** @type {Readonly<Record<string, string>>} */
  #states = {};
  #chosen = "";
  #buttons = BUTTONS.map((button) => {
    const element = make("button", { type: "button" });
    element.addEventListener("click", () => void this.#act(button.action));
    return { ...button, element };
  });

  constructor() {
    if (this.#secret === null) return;
    this.#host.append(...this.#buttons.map(({ element }) => element), this.#said);
    void this.#ask("GET", "state");
    setInterval(() => void this.#ask("GET", "state"), ASK_MS);
  }

  /** @param {string} chosen The node that the buttons act on. */
  show(chosen) {
    this.#chosen = chosen;
    const state = this.#states[chosen];
    this.#host.hidden = state === undefined;
    for (const { element, words, isFor } of this.#buttons) {
      element.hidden = state === undefined || !isFor(state);
      setText(element, words(chosen));
    }
  }

  /** @param {string} action */
  async #act(action) {
    setText(this.#said, "");
    setText(this.#said, await this.#ask("POST", `${action}?node=${this.#chosen}`));
  }

  /**
   * What the demo says to that.
   *
   * @param {string} method
   * @param {string} what
   * @returns {Promise<string>}
   */
  async #ask(method, what) {
    try {
      const headers = { "floe-demo": this.#secret ?? "" };
      const response = await fetch(`/demo/${what}`, { method, headers });
      const body = await response.json();
      if (!response.ok) return body.detail;
      this.#states = body.states;
      this.show(this.#chosen);
      return body.said;
    } catch {
      this.#states = {};
      this.show(this.#chosen);
      return "floe cluster does not answer";
    }
  }
}
