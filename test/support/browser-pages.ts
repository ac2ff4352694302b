import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Browser, Page } from "playwright-core";
import { launchChromium } from "./chromium.ts";

/** Chromium with pages of one script, which a site on the loopback address serves. */
export class BrowserPages {
  readonly #site: Bun.Server<undefined>;
  readonly #browser: Browser;
  readonly #pages: Page[] = [];

  private constructor(site: Bun.Server<undefined>, browser: Browser) {
    this.#site = site;
    this.#browser = browser;
  }

  /**
   * @param script a module beside this one
   * @param certFile PEM file of the certificate that the browser trusts
   */
  static async start(
    script: string,
    certFile: string,
    flags: readonly string[] = [],
  ): Promise<BrowserPages> {
    const entry = fileURLToPath(import.meta.resolve(script));
    const { outputs } = await Bun.build({ entrypoints: [entry], target: "browser" });
    const text = await outputs[0]?.text();
    const html = '<!doctype html><title>Test</title><script type="module" src="/page.js"></script>';
    const site = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      routes: {
        "/": new Response(html, { headers: { "content-type": "text/html" } }),
        "/page.js": new Response(text, { headers: { "content-type": "text/javascript" } }),
      },
    });
    return new BrowserPages(site, await launchChromium(readFileSync(certFile, "utf8"), flags));
  }

  /** As browsers send it. */
  get origin(): string {
    return this.#site.url.origin;
  }

  /** A window of its own, whose script has run. */
  async open(): Promise<Page> {
    const page = await (await this.#browser.newContext()).newPage();
    this.#pages.push(page);
    await page.goto(this.#site.url.href);
    await page.waitForFunction("globalThis.user !== undefined");
    return page;
  }

  /** Closes the pages as a user does; their windows, which would take the last packets along, stay. */
  async closePages(): Promise<void> {
    for (const page of this.#pages) await page.close();
  }

  /** Throws all windows away. */
  async closeAll(): Promise<void> {
    for (const page of this.#pages.splice(0)) await page.context().close();
  }

  async stop(): Promise<void> {
    await this.#browser.close();
    await this.#site.stop(true);
  }
}
