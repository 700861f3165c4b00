/**
 * The page in a real browser, against real nodes. Ignored where there is no Chromium.
 *
 * @module
 */

import { deepEqual, equal, match, notEqual, ok } from "node:assert/strict";
import type { Page } from "playwright-core";
import { formatAddress } from "../../lib/address.ts";
import { encodeHex } from "../../lib/bytes.ts";
import { findPeer } from "../../lib/config/cluster_config.ts";
import type { NodeId } from "../../lib/types.ts";
import { TestCluster } from "../e2e/harness/test_cluster.ts";
import { claimToLead, secondCertificate } from "../e2e/harness/two_leaders.ts";
import { CHROMIUM, findBarriers, openBrowser, openPage } from "./browser.ts";

/** Long enough that a busy machine elects nobody by itself. */
const TIMING = { heartbeatMs: 100, electionTimeoutMs: 2_000 };
const PHONE = { width: 390, height: 844 };

function pageOf({ config }: TestCluster, id: NodeId, key: string): string {
  return `http://${formatAddress(findPeer(config, id).api)}/ui/#key=${key}`;
}

const PROVEN = '#proof[data-proof="proven"]';

async function crowned(page: Page): Promise<string | null> {
  return await page.locator('.node[data-role="leader"]').getAttribute("data-node");
}

Deno.test({
  name: "the page shows the cluster, and proves its leader in the browser",
  ignore: CHROMIUM === null,
  fn: async (t) => {
    await using cluster = new TestCluster({ nodes: 3, timing: TIMING, logLevel: "info" });
    const leader = await cluster.leader();
    const key = encodeHex(cluster.group.publicKey);
    const host = cluster.ids.find((id) => id !== leader.id) ?? leader.id;
    const address = pageOf(cluster, host, key);
    const browser = await openBrowser();
    try {
      const { page, errors, streams } = await openPage(browser, address);

      await t.step("who leads, proven, and crowned", async () => {
        await page.locator(PROVEN).waitFor();
        const headline = await page.locator("#leader-headline").textContent();
        equal(headline, `${leader.id} leads term ${leader.term}`);
        equal(await crowned(page), leader.id);
      });

      await t.step("the election, with both its rounds and who signed", async () => {
        // Another node may have stood in the same term, in vain.
        const election = page.locator(
          `.election[data-term="${leader.term}"][data-outcome="won"]`,
        );
        await election.getByText("Round two").waitFor();
        const text = await election.textContent() ?? "";
        match(text, new RegExp(`${leader.id}.* won with 2 signatures`));
        match(text, /Round one [0-9.]+ ms.*Round two [0-9.]+ ms/);
        equal(await election.locator('.chip[data-did="signed"]').count(), 2);
      });

      await t.step("a certificate verifies, and one with another byte does not", async () => {
        await page.locator("#open-certificate").click();
        const sheet = page.locator("#certificate-dialog");
        const verdict = sheet.locator(".banner");
        equal(await verdict.getAttribute("data-verdict"), "valid");
        const [statement = ""] = leader.certificate.split("\n\n");
        equal(await sheet.locator(".statement").textContent(), `${statement}\n`);
        match(await sheet.textContent() ?? "", new RegExp(`floe verify leader.note --key ${key}`));
        await sheet.getByRole("button", { name: "Change one byte" }).click();
        await sheet.locator('.banner[data-verdict="invalid"]').waitFor();
        notEqual(await sheet.locator(".statement").textContent(), `${statement}\n`);
        await sheet.getByRole("button", { name: "Put the byte back" }).click();
        await sheet.locator('.banner[data-verdict="valid"]').waitFor();
        deepEqual(await findBarriers(page), []);
        await page.keyboard.press("Escape");
        await sheet.waitFor({ state: "hidden" });
      });

      await t.step("a key that is written shows up, with its changes", async () => {
        await page.locator("#watch").click();
        const row = page.locator("#key-table tr", { hasText: "app/colour" });
        for (const value of ["blue", "green"]) {
          await cluster.fetch(leader.id, "/v1/kv/app/colour", { method: "PUT", body: value });
          await row.getByText(value).waitFor();
          await page.locator("#change-list li", { hasText: value }).waitFor();
        }
        await page.locator("#watch").click();
      });

      await t.step(
        "nobody is shut out, in light and in dark, and a phone is wide enough",
        async () => {
          for (const colorScheme of ["light", "dark"] as const) {
            await page.emulateMedia({ colorScheme });
            const barriers = await findBarriers(page);
            deepEqual(barriers, [], `${colorScheme}: ${barriers.join(", ")}`);
          }
          await page.setViewportSize(PHONE);
          const width = await page.evaluate<number>("document.documentElement.scrollWidth");
          ok(width <= PHONE.width, `${width} pixels`);
          deepEqual(await findBarriers(page), []);
        },
      );

      await t.step("the members, each with the way to its own page", async () => {
        const rows = page.locator("#member-list tbody tr");
        await rows.first().waitFor();
        equal(await rows.count(), 3);
        const link = rows.filter({ hasText: leader.id }).getByRole("link");
        equal(await link.getAttribute("href"), pageOf(cluster, leader.id, key));
        // This node follows: it does not know what the others have stored, and shows no empty column.
        equal(await page.locator("#member-list th", { hasText: "Stored" }).count(), 0);
      });

      await t.step("no lag is of the leader, which the others lag behind", async () => {
        const row = page.locator("#lanes tr", { hasText: leader.id });
        await row.locator('[data-label="Lag"]', { hasText: /^0$/ }).waitFor();
      });

      await t.step("the keyboard opens and closes a certificate", async () => {
        await page.locator("#open-certificate").focus();
        await page.keyboard.press("Enter");
        await page.locator("#certificate-dialog").waitFor();
        await page.keyboard.press("Escape");
        await page.locator("#certificate-dialog").waitFor({ state: "hidden" });
      });

      await t.step("messages move, unless the reader wants no motion", async () => {
        await page.locator(".dot").first().waitFor({ state: "attached" });
        await page.emulateMedia({ reducedMotion: "reduce" });
        await page.locator(".dot").first().waitFor({ state: "detached" });
        await page.emulateMedia({ reducedMotion: "no-preference" });
      });

      await t.step("the leader of another key is refused", async () => {
        const pin = (hash: string) => page.evaluate(`location.hash = "${hash}"`);
        await pin(`key=${"07".repeat(32)}`);
        await page.locator('#proof[data-proof="refused"]').waitFor();
        await pin("");
        await page.locator('#proof[data-proof="unpinned"]').waitFor();
        await pin(`key=${key}`);
        await page.locator(PROVEN).waitFor();
      });

      await t.step("two leaders of one term are an alarm, with both certificates", async () => {
        equal(await page.locator("#evidence").isVisible(), false);
        const from = cluster.ids.find((id) => id !== leader.id && id !== host) ?? host;
        const { term } = leader;
        const note = secondCertificate(cluster, { term, leader: from });
        const forged = { term: term + 1_000, note, logged: "certificate.refused" } as const;
        await claimToLead(cluster, { from, to: host, ...forged });
        await page.locator("#refused", { hasText: `${from} for term ${term + 1_000}` }).waitFor();
        const signed = { term, note, logged: "certificate.second" } as const;
        await claimToLead(cluster, { from, to: host, ...signed });
        const alarm = page.locator("#evidence");
        await alarm.getByText(`Two leaders of term ${term}: ${leader.id} and ${from}.`).waitFor();
        await alarm.getByText("Both certificates verify in this browser").waitFor();
        deepEqual(await findBarriers(page), []);
        await alarm.getByRole("button", { name: `Show ${from}'s` }).click();
        await page.locator('#certificate-dialog .banner[data-verdict="valid"]').waitFor();
        await page.keyboard.press("Escape");
      });

      await t.step("the crown moves when the leader is killed", async () => {
        await cluster.process(leader.id).end("SIGKILL");
        const others = cluster.ids.filter((id) => id !== leader.id);
        const next = await cluster.leader(leader.term + 1, others);
        await page.locator("#leader-headline", { hasText: `${next.id} leads` }).waitFor();
        await page.locator(PROVEN).waitFor();
        equal(await crowned(page), next.id);
        match(await page.locator("#verdict").textContent() ?? "", /^Degraded: 2 of 3/);
        await page.locator(`.node[data-node="${leader.id}"][data-role="silent"]`).waitFor();
        deepEqual(await findBarriers(page), []);
      });

      await t.step("a node's own page has no buttons of a demo", async () => {
        const shown = await openPage(browser, `${address}&demo=${"07".repeat(16)}`);
        await shown.page.locator(PROVEN).waitFor();
        equal(await shown.page.locator("#demo").isVisible(), false);
        await shown.page.close();
      });

      await t.step("all of it came over one stream of events, and no error was seen", () => {
        deepEqual(streams, { open: 1, opened: 1 });
        deepEqual(errors, []);
      });
    } finally {
      await browser.close();
    }
  },
});

Deno.test({
  name: "the page asks for a token where one is needed, and keeps it in memory only",
  ignore: CHROMIUM === null,
  fn: async () => {
    const nodeFlags = ["--require-token"];
    await using cluster = new TestCluster({ nodes: 1, logLevel: "info", nodeFlags });
    const { id } = await cluster.leader();
    const token = await Deno.readTextFile(`${cluster.dataDir(id)}/admin.token`);
    const browser = await openBrowser();
    try {
      const key = encodeHex(cluster.group.publicKey);
      const { page, streams } = await openPage(browser, pageOf(cluster, id, key));
      await page.locator("#token-dialog").waitFor();
      equal(await page.locator("#token-error").textContent(), "");
      deepEqual(await findBarriers(page), []);
      await page.locator("#token").fill("floe_0123456789abcdef_");
      await page.keyboard.press("Enter");
      await page.locator("#token-error", { hasText: "not known here" }).waitFor();
      await page.locator("#token").fill(token);
      await page.keyboard.press("Enter");
      await page.locator(PROVEN).waitFor();
      equal(streams.open, 1);
      const kept = await page.evaluate(
        "[localStorage.length, sessionStorage.length, document.cookie].join()",
      );
      equal(kept, "0,0,");
      equal(await page.locator("#token").inputValue(), "");
      ok(!(await page.content()).includes(token.trim()));
      await page.reload();
      await page.locator("#token-dialog").waitFor();
    } finally {
      await browser.close();
    }
  },
});
