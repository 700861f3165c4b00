/**
 * The demo in a real browser: `floe cluster` as a process, and its page with buttons. Ignored where there is no
 * Chromium.
 *
 * @module
 */

import { deepEqual, equal, match } from "node:assert/strict";
import type { Page } from "playwright-core";
import { TestFolder } from "../e2e/harness/test_cluster.ts";
import { CHROMIUM, findBarriers, openBrowser, openPage } from "./browser.ts";
import { Demo } from "./demo.ts";

/** Long enough that a busy machine elects nobody by itself. */
const TIMING = { heartbeatMs: 100, electionTimeoutMs: 2_000 };
/** Adding a node takes a resharing. */
const PATIENCE = { timeout: 60_000 };

function nodeOf(page: Page, id: string, role: string) {
  return page.locator(`.node[data-node="${id}"][data-role="${role}"]`);
}

async function press(page: Page, name: string): Promise<void> {
  await page.locator("#demo").getByRole("button", { name, exact: true }).click();
}

Deno.test({
  name: "the demo kills, pauses, cuts off, heals, forges, replaces and adds, from the page",
  ignore: CHROMIUM === null,
  fn: async (t) => {
    using folder = new TestFolder({ nodes: 3, timing: TIMING });
    await using demo = new Demo(folder);
    const address = await demo.address();
    const browser = await openBrowser();
    try {
      const { page, errors } = await openPage(browser, address);
      page.setDefaultTimeout(PATIENCE.timeout);
      await page.locator('#proof[data-proof="proven"]').waitFor();
      const leader = await page.locator('.node[data-role="leader"]').getAttribute("data-node");
      const other = ["server_1", "server_2", "server_3"].find((id) => id !== leader) ?? "";
      const said = page.locator("#demo .said");
      await page.locator(`.node[data-node="${other}"]`).click();

      await t.step(
        "a forged certificate is refused, in the node's words, and counted",
        async () => {
          await press(page, `Show ${other} a forged certificate`);
          await said.getByText("the signature is not the group key's").waitFor();
          const text = await said.textContent() ?? "";
          match(text, new RegExp(`^${other} refuses that server_\\d leads term \\d+: `));
          match(text, /floe_certificate_refused_total 1\.$/);
          deepEqual(await findBarriers(page), []);
        },
      );

      await t.step("a node is cut off, and healed", async () => {
        await press(page, `Cut ${other} off`);
        await nodeOf(page, other, "silent").waitFor();
        equal(await said.textContent(), `${other} is cut off from the others`);
        await press(page, `Heal ${other}`);
        await nodeOf(page, other, "follower").waitFor();
      });

      await t.step("a node is paused, and goes on", async () => {
        await press(page, `Pause ${other}`);
        await nodeOf(page, other, "silent").waitFor();
        await press(page, `Resume ${other}`);
        await nodeOf(page, other, "follower").waitFor();
      });

      await t.step("a node is killed, and replaced by a new one", async () => {
        await press(page, `Kill ${other}`);
        await nodeOf(page, other, "silent").waitFor();
        await press(page, `Replace ${other}`);
        await said.getByText(`server_4 joins in the place of ${other}`).waitFor();
        await nodeOf(page, "server_4", "follower").waitFor();
        await page.locator(`.node[data-node="${other}"]`).waitFor({ state: "detached" });
      });

      await t.step("a node is added", async () => {
        await page.locator('.node[data-node="server_4"]').click();
        await page.locator("#node-detail", { hasText: "holds its share" }).waitFor();
        // It was no voter when the first leader was elected, and the node that it replaced was.
        const first = page.locator('.election[data-outcome="won"]').last();
        equal(await first.locator(".chip", { hasText: "server_4" }).count(), 0);
        equal(await first.locator(".chip").count() >= 2, true);
        await press(page, "Add a node");
        await page.locator("#demo .said", { hasText: /\S/ }).waitFor();
        equal(await said.textContent(), "server_5 joins");
        await nodeOf(page, "server_5", "follower").waitFor();
        deepEqual(await findBarriers(page), []);
      });

      await t.step("nothing of it is there without the secret", async () => {
        const shown = await openPage(browser, address.replace(/&demo=.*/, ""));
        await shown.page.locator('#proof[data-proof="proven"]').waitFor();
        equal(await shown.page.locator("#demo").isVisible(), false);
        await shown.page.close();
      });
      // A stream of a node that is out of reach by now is broken off.
      deepEqual(errors.filter((error) => !error.startsWith("Failed to load resource")), []);
    } finally {
      await browser.close();
    }
  },
});
