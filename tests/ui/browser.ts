/**
 * A real browser, and a page in it that remembers whatever went wrong.
 *
 * @module
 */

import axe from "axe-core";
import fs from "node:fs";
import type { Browser, BrowserContextOptions, Page, Request } from "playwright-core";

const PROGRAMS = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

/** Where Chromium is; null where there is none, and the tests are to be ignored. */
export const CHROMIUM: string | null = PROGRAMS.find(isThere) ?? null;

/** Starts it. */
export async function openBrowser(): Promise<Browser> {
  if (CHROMIUM === null) throw new Error(`No Chromium at any of ${PROGRAMS.join(", ")}`);
  const { chromium } = await importPlaywright();
  // Chromium's own sandbox does not start for root, as whom a container runs, whose /dev/shm is small.
  return await chromium.launch({
    executablePath: CHROMIUM,
    args: ["--no-sandbox", "--disable-dev-shm-usage"],
  });
}

/** A page with what went wrong on it, and how often it asked for events. */
export interface WatchedPage {
  readonly page: Page;
  /** Errors on the console, of scripts and of the page's policy. */
  readonly errors: string[];
  /** How many streams of events are open, and were opened. */
  readonly streams: { open: number; opened: number };
}

/** Opens an address. */
export async function openPage(
  browser: Browser,
  address: string,
  options: BrowserContextOptions = {},
): Promise<WatchedPage> {
  const page = await browser.newPage(options);
  const errors: string[] = [];
  const streams = { open: 0, opened: 0 };
  const isStream = (url: string) => new URL(url).pathname === "/v1/events";
  page.on("pageerror", (error) => errors.push(error.message));
  page.on("console", (message) => {
    if (message.type() === "error") errors.push(message.text());
  });
  page.on("request", (request) => {
    if (!isStream(request.url())) return;
    streams.open += 1;
    streams.opened += 1;
  });
  const ended = (request: Request) => void (isStream(request.url()) && (streams.open -= 1));
  page.on("requestfinished", ended);
  page.on("requestfailed", ended);
  await page.goto(address);
  return { page, errors, streams };
}

/** What axe-core finds wrong with what is shown now: each rule, and where. */
export async function findBarriers(page: Page): Promise<readonly string[]> {
  // Evaluated by the debugger: the page's policy lets no other script in.
  await page.evaluate(axe.source);
  return await page.evaluate(async () => {
    // deno-lint-ignore no-explicit-any -- the page's globals, not Deno's, and what was just loaded
    const { CSSAnimation, document, axe } = globalThis as any;
    // A row that has just changed fades from the colour of the scheme that was shown when it changed.
    for (const animation of document.getAnimations()) {
      if (animation instanceof CSSAnimation) animation.finish();
    }
    const { violations } = await axe.run();
    return violations.map(
      ({ id, nodes }: { id: string; nodes: readonly { html: string }[] }) =>
        `${id}: ${nodes.map(({ html }) => html.slice(0, 120)).join(" | ")}`,
    );
  });
}

/**
 * Playwright looks below /proc whether it runs in Windows, and Deno lets only programs that may do everything
 * look there. So it is told that there is no such file.
 */
async function importPlaywright() {
  const { existsSync } = fs;
  fs.existsSync = (path) => !String(path).startsWith("/proc/") && existsSync(path);
  try {
    return await import("playwright-core");
  } finally {
    fs.existsSync = existsSync;
  }
}

function isThere(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}
