// @ts-check
/// <reference lib="dom" />
/** @import { GroupKey } from "./verify/mod.d.ts" */

/**
 * The dialogs in which a reader gives the page a key or a token.
 *
 * @module
 */

import { setToken } from "./api.js";
import { find, setText } from "./dom.js";
import { parseGroupKey } from "./verify/mod.js";

/** @param {string} reason */
export function askForToken(reason) {
  setText(find("token-error"), reason);
  dialog("token-dialog").showModal();
}

/** @param {string} reason */
export function showKeyDialog(reason) {
  setText(find("pin-error"), reason);
  if (!dialog("key-dialog").open) dialog("key-dialog").showModal();
}

/** @param {{ pin: (key: GroupKey) => void, useToken: () => void, pinned: () => string }} actions */
export function bindDialogs({ pin, useToken, pinned }) {
  for (const button of document.querySelectorAll("[data-close]")) {
    button.addEventListener("click", () => button.closest("dialog")?.close());
  }
  find("open-token").addEventListener("click", () => askForToken(""));
  find("open-key").addEventListener("click", () => {
    /** @type {HTMLTextAreaElement} */ (find("pinned-key")).value = pinned();
    showKeyDialog("");
  });
  find("pin-form").addEventListener("submit", (event) => {
    event.preventDefault();
    try {
      pin(parseGroupKey(/** @type {HTMLTextAreaElement} */ (find("pinned-key")).value));
      dialog("key-dialog").close();
    } catch (error) {
      setText(find("pin-error"), error instanceof Error ? error.message : "");
    }
  });
  find("token-form").addEventListener("submit", (event) => {
    event.preventDefault();
    const field = /** @type {HTMLInputElement} */ (find("token"));
    setToken(field.value.trim());
    field.value = "";
    dialog("token-dialog").close();
    useToken();
  });
}

/** @param {string} id */
function dialog(id) {
  return /** @type {HTMLDialogElement} */ (find(id));
}
