// @ts-check
/// <reference lib="dom" />

/**
 * A small chart of the last two minutes.
 *
 * @module
 */

import { draw, make, setText } from "./dom.js";

const POINTS_MAX = 120;
const WIDTH = 480;
const HEIGHT = 110;

/** See the module. */
export class Chart {
  /** @type {number[]} */
  #points = [];
  #value = make("span", { class: "value" }, "0");
  #top = make("span", { class: "top" }, "");
  #area = draw("path", { class: "area" });
  #line = draw("path", { class: "curve" });
  /** @type {SVGElement} */
  #picture;
  #title;
  #unit;

  /**
   * @param {HTMLElement} host Where it is added.
   * @param {{ title: string, unit: string }} options
   */
  constructor(host, { title, unit }) {
    this.#title = title;
    this.#unit = unit;
    this.#picture = draw(
      "svg",
      { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img" },
      ...[0.25, 0.5, 0.75].map((share) =>
        draw("line", { class: "grid", x1: 0, x2: WIDTH, y1: HEIGHT * share, y2: HEIGHT * share })
      ),
      this.#area,
      this.#line,
    );
    host.append(
      make(
        "figure",
        { class: "chart" },
        make("figcaption", {}, make("span", {}, title), make("span", {}, this.#value, ` ${unit}`)),
        make("div", { class: "plot" }, this.#picture, this.#top),
      ),
    );
    this.#draw();
  }

  /** @param {number} value The newest point; one a second. */
  push(value) {
    this.#points.push(value);
    if (this.#points.length > POINTS_MAX) this.#points.shift();
    this.#draw();
  }

  #draw() {
    const last = this.#points.at(-1) ?? 0;
    const top = niceTop(Math.max(...this.#points, 0));
    const right = POINTS_MAX - 1;
    const first = POINTS_MAX - this.#points.length;
    const at = this.#points.map((value, index) =>
      `${(WIDTH * (first + index) / right).toFixed(1)} ${
        (HEIGHT - HEIGHT * value / top).toFixed(1)
      }`
    );
    const curve = at.length === 0 ? "" : `M${at.join("L")}`;
    const left = (WIDTH * first / right).toFixed(1);
    this.#line.setAttribute("d", curve);
    this.#area.setAttribute(
      "d",
      curve === "" ? "" : `${curve}L${WIDTH} ${HEIGHT}L${left} ${HEIGHT}Z`,
    );
    setText(this.#value, format(last));
    setText(this.#top, format(top));
    this.#picture.setAttribute("aria-label", `${this.#title}: ${format(last)} ${this.#unit} now`);
  }
}

/**
 * The next of 1, 2, 5, 10, ... above a value.
 *
 * @param {number} value
 */
function niceTop(value) {
  const base = 10 ** Math.floor(Math.log10(Math.max(value, 1)));
  return [1, 2, 5, 10].map((factor) => factor * base).find((top) => top >= value) ?? 10 * base;
}

/** @param {number} value */
function format(value) {
  return value >= 100 || Number.isInteger(value) ? String(Math.round(value)) : value.toFixed(1);
}
