// @ts-check
/// <reference lib="dom" />

/**
 * The buttons of a demo on one machine, where `floe cluster` serves the page: kill and start, pause and resume,
 * cut off and heal the chosen node. They are there only when the address has the secret that `floe cluster` printed.
 *
 * @module
 */

import { find, make, setText } from "./dom.js";

/** What each button does, and for which states of a node's process it is there. */
const BUTTONS = [
  { action: "kill", words: "Kill", isFor: (/** @type {string} */ state) => state !== "down" },
  { action: "start", words: "Start", isFor: (/** @type {string} */ state) => state === "down" },
  { action: "pause", words: "Pause", isFor: isReached },
  { action: "resume", words: "Resume", isFor: (/** @type {string} */ state) => state === "paused" },
  { action: "cut", words: "Cut off", isFor: isReached },
  { action: "heal", words: "Heal", isFor: (/** @type {string} */ state) => state === "cut" },
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
  /** @type {Readonly<Record<string, string>>} */
  #states = {};
  #chosen = "";
  #buttons = BUTTONS.map((button) => {
    const element = make("button", { type: "button" });
    element.addEventListener(
      "click",
      () => void this.#ask("POST", `${button.action}?node=${this.#chosen}`),
    );
    return { ...button, element };
  });

  constructor() {
    if (this.#secret === null) return;
    this.#host.append(...this.#buttons.map(({ element }) => element));
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
      setText(element, `${words} ${chosen}`);
    }
  }

  /**
   * @param {string} method
   * @param {string} what
   */
  async #ask(method, what) {
    try {
      const headers = { "floe-demo": this.#secret ?? "" };
      const response = await fetch(`/demo/${what}`, { method, headers });
      this.#states = response.ok ? await response.json() : {};
    } catch {
      this.#states = {};
    }
    this.show(this.#chosen);
  }
}
