// @ts-check
/// <reference lib="dom" />

/**
 * Elements from values. Nothing here, or anywhere on the page, makes markup of text.
 *
 * @module
 */

/** @typedef {Readonly<Record<string, string | number | boolean | (() => void)>>} Attributes */
/** @typedef {Node | string | null} Child */

/**
 * Makes an element of HTML: `make("p", { class: "soft" }, "text")`. An attribute that is a function is
 * called at each click; one that is false is left out.
 *
 * @param {string} tag
 * @param {Attributes} [attributes]
 * @param {...Child} children
 * @returns {HTMLElement}
 */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  fill(element, attributes, children);
  return element;
}

const SVG = "http://www.w3.org/2000/svg";

/**
 * Makes an element of SVG.
 *
 * @param {string} tag
 * @param {Attributes} [attributes]
 * @param {...Child} children
 * @returns {SVGElement}
 */
export function draw(tag, attributes = {}, ...children) {
  const element = /** @type {SVGElement} */ (document.createElementNS(SVG, tag));
  fill(element, attributes, children);
  return element;
}

/**
 * The element with this id, which index.html has.
 *
 * @param {string} id
 * @returns {HTMLElement}
 */
export function find(id) {
  const element = document.getElementById(id);
  if (element === null) throw new Error(`The page has no #${id}`);
  return element;
}

/**
 * Sets an element's text, and touches nothing when it is the same: selections and screen readers stay.
 *
 * @param {Element} element
 * @param {string} text
 */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * Replaces a list of terms and their values.
 *
 * @param {Element} list A `dl`.
 * @param {readonly (readonly [string, string])[]} fields
 */
export function setFields(list, fields) {
  if (list.childElementCount !== fields.length) {
    list.replaceChildren(...fields.map(() => make("div", {}, make("dt"), make("dd"))));
  }
  fields.forEach(([name, value], at) => {
    const [term, detail] = list.children[at]?.children ?? [];
    if (term !== undefined) setText(term, name);
    if (detail !== undefined) setText(detail, value);
  });
}

/**
 * A button that copies a text, and says so.
 *
 * @param {() => string} text
 * @returns {HTMLElement}
 */
export function copyButton(text) {
  const button = make("button", { type: "button", class: "copy" }, "Copy");
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text());
      setText(button, "Copied");
    } catch {
      setText(button, "Cannot copy: select the text");
    }
    setTimeout(() => setText(button, "Copy"), 2_000);
  });
  return button;
}

/**
 * @param {Element} element
 * @param {Attributes} attributes
 * @param {readonly Child[]} children
 */
function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener("click", value);
    else if (value !== false) element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.filter((child) => child !== null));
}
