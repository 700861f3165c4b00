/**
 * Makes the pictures of the page in `docs/pictures`: `deno run -A tests/ui/pictures.ts`. They show a real cluster
 * of five nodes that has lost its leaders, and the demo with a node that is cut off.
 *
 * @module
 */

import type { Browser } from "playwright-core";
import { formatAddress } from "../../lib/address.ts";
import { encodeHex } from "../../lib/bytes.ts";
import { findPeer } from "../../lib/config/cluster_config.ts";
import { TestCluster, TestFolder } from "../e2e/harness/test_cluster.ts";
import { openBrowser, openPage } from "./browser.ts";
import { Demo } from "./demo.ts";

const FOLDER = new URL("../../docs/pictures/", import.meta.url);
const SCHEMES = ["light", "dark"] as const;
const DESK = { width: 1280, height: 980 };
/** High enough for the buttons below the ring. */
const TALL = { width: 1280, height: 1180 };
const PHONE = { width: 390, height: 1000 };
const WRITES = 60;
const TIMING = { heartbeatMs: 100, electionTimeoutMs: 1_500 };

await Deno.mkdir(FOLDER, { recursive: true });
const browser = await openBrowser();
try {
  await takeDemo(browser);
  await using cluster = new TestCluster({ nodes: 5, timing: TIMING, logLevel: "info" });
  const address = await history(cluster);
  for (const scheme of SCHEMES) await takeAll(browser, { cluster, address, scheme });
} finally {
  await browser.close();
}

/** Kills two leaders, and starts them again; the page's address at a node that lived through it. */
async function history(cluster: TestCluster): Promise<string> {
  let leader = await cluster.leader();
  const [host = leader.id] = cluster.ids.filter((id) => id !== leader.id);
  for (let killed = 0; killed < 2; killed++) {
    if (leader.id === host) break;
    await cluster.process(leader.id).end("SIGKILL");
    const others = cluster.ids.filter((id) => id !== leader.id);
    const next = await cluster.leader(leader.term + 1, others);
    cluster.start(leader.id);
    leader = next;
  }
  const key = encodeHex(cluster.group.publicKey);
  return `http://${formatAddress(findPeer(cluster.config, host).api)}/ui/#key=${key}`;
}

async function write(cluster: TestCluster, count: number): Promise<void> {
  const [id] = cluster.ids;
  if (id === undefined) return;
  for (let at = 0; at < count; at++) {
    const name = ["colour", "size", "owner", "route"][at % 4];
    await cluster.fetch(id, `/v1/kv/app/${name}`, { method: "PUT", body: `value ${at}` });
  }
}

interface Shot {
  readonly cluster: TestCluster;
  readonly address: string;
  readonly scheme: typeof SCHEMES[number];
}

async function takeAll(browser: Browser, { cluster, address, scheme }: Shot): Promise<void> {
  const { page } = await openPage(browser, address, { viewport: DESK, colorScheme: scheme });
  await page.locator('#proof[data-proof="proven"]').waitFor();
  const take = (name: string) => page.screenshot({ path: pictureOf(name, scheme) });
  for (let second = 0; second < 8; second++) await write(cluster, WRITES);
  await take("page");
  await page.locator("#open-certificate").click();
  await page.getByText("Change one byte").click();
  await page.locator('.banner[data-verdict="invalid"]').waitFor();
  await page.setViewportSize({ ...DESK, height: 760 });
  await take("forged");
  await page.keyboard.press("Escape");
  await page.setViewportSize(PHONE);
  await take("phone");
  await page.close();
}

/** The page with buttons, of a cluster with a node that is cut off. */
async function takeDemo(browser: Browser): Promise<void> {
  using folder = new TestFolder({ nodes: 5, timing: TIMING });
  await using demo = new Demo(folder);
  const address = await demo.address();
  let cut: string | null = null;
  for (const scheme of SCHEMES) {
    const { page } = await openPage(browser, address, { viewport: TALL, colorScheme: scheme });
    await page.locator('#proof[data-proof="proven"]').waitFor();
    cut ??= await page.locator('.node[data-role="follower"]').first().getAttribute("data-node");
    await page.locator(`.node[data-node="${cut}"]`).click();
    const press = page.getByRole("button", { name: `Cut ${cut} off`, exact: true });
    if (scheme === "light") await press.click();
    await page.locator(`.node[data-node="${cut}"][data-role="silent"]`).waitFor();
    // The node that served the page may be the one that was cut off.
    await page.locator('#proof[data-proof="proven"]').waitFor();
    await page.getByText(/^Degraded/).first().waitFor();
    await page.screenshot({ path: pictureOf("demo", scheme) });
    await page.close();
  }
}

function pictureOf(name: string, scheme: string): string {
  return new URL(`${name}-${scheme}.png`, FOLDER).pathname;
}
