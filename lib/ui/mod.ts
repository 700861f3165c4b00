/**
 * The page at `/ui/`, for people: plain modules and style sheets, served as they are. There is no build step,
 * nothing comes from elsewhere, and the files are part of the executable, as texts that `page.ts` of `lib/http`
 * loads when somebody first asks for them.
 *
 * **Where to begin.** `index.html` is the whole frame: every part of the page stands there, empty. `main.js` opens
 * one stream of events (`api.js`) and hands what comes to the parts: `ring.js` and `details.js` (nodes and their messages),
 * `lanes.js` (logs), `elections.js`, `charts.js`, `members.js`, `keys.js` (keys, leases, locks, and a watch for who asks for it).
 * `evidence.js` shows what must never happen: two leaders of one term, and claims to lead that were refused.
 * `verdicts.js` has the words for how things stand, `dialogs.js` asks for key and token,
 * and `demo.js` has the buttons of a cluster on one machine.
 * `dom.js` makes elements of values; no text ever becomes markup. `terms.js` has the colours of terms.
 *
 * **What is proven stands apart from what is said.** Views are the nodes' word (`lib/node_view.ts`). That a node
 * leads is shown as proven only when this browser has verified its certificate (`certificate.js`) against
 * the key in the address's fragment, which browsers never send: the node that serves the page cannot choose it.
 *
 * **`verify/` is a package of its own**, `@floe/verify`, for programs that only verify, in browsers, Deno and Node.
 * `lib/certificate` has the same rules for nodes, which sign as well and cannot wait: WebCrypto is asynchronous, and
 * a browser reads no TypeScript. `tests/ui/verify_test.ts` holds both to the same cases.
 *
 * **What the page trusts.** The node that serves it, for the page itself: a node that serves another page can show
 * anything. So the certificate's sheet has the same check as a command.
 *
 * @module
 */

import api from "./api.js" with { type: "text" };
import certificate from "./certificate.js" with { type: "text" };
import charts from "./charts.js" with { type: "text" };
import demo from "./demo.js" with { type: "text" };
import details from "./details.js" with { type: "text" };
import dialogs from "./dialogs.js" with { type: "text" };
import dialogsStyle from "./dialogs.css" with { type: "text" };
import dom from "./dom.js" with { type: "text" };
import elections from "./elections.js" with { type: "text" };
import evidence from "./evidence.js" with { type: "text" };
import frameStyle from "./frame.css" with { type: "text" };
import icon from "./icon.svg" with { type: "text" };
import index from "./index.html" with { type: "text" };
import keys from "./keys.js" with { type: "text" };
import lanes from "./lanes.js" with { type: "text" };
import main from "./main.js" with { type: "text" };
import members from "./members.js" with { type: "text" };
import partsStyle from "./parts.css" with { type: "text" };
import ring from "./ring.js" with { type: "text" };
import ringStyle from "./ring.css" with { type: "text" };
import terms from "./terms.js" with { type: "text" };
import themeStyle from "./theme.css" with { type: "text" };
import verdicts from "./verdicts.js" with { type: "text" };
import verifier from "./verify/mod.js" with { type: "text" };
import note from "./verify/note.js" with { type: "text" };
import verify from "./verify/verify.js" with { type: "text" };

/** The files of the page by their names. */
export const PAGE_FILES: ReadonlyMap<string, string> = new Map([
  ["index.html", index],
  ["theme.css", themeStyle],
  ["frame.css", frameStyle],
  ["ring.css", ringStyle],
  ["parts.css", partsStyle],
  ["dialogs.css", dialogsStyle],
  ["icon.svg", icon],
  ["api.js", api],
  ["certificate.js", certificate],
  ["charts.js", charts],
  ["demo.js", demo],
  ["details.js", details],
  ["dialogs.js", dialogs],
  ["dom.js", dom],
  ["elections.js", elections],
  ["evidence.js", evidence],
  ["keys.js", keys],
  ["lanes.js", lanes],
  ["main.js", main],
  ["members.js", members],
  ["ring.js", ring],
  ["terms.js", terms],
  ["verdicts.js", verdicts],
  ["verify/mod.js", verifier],
  ["verify/note.js", note],
  ["verify/verify.js", verify],
]);
