/** The built page in a browser, with a stand-in for the extension host. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import { chromium, type Browser, type Page } from 'playwright-core';
import { themeOf, type ThemeName } from './themes';

const ROOT = join(import.meta.dirname, '../..');
/** Flags of a browser without a GPU that keeps to itself. */
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];
/** As strict as the extension's own page, so that what breaks there breaks here. */
const EMPTY_STYLE = "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='";
const POLICY = `default-src 'none'; style-src 'self' ${EMPTY_STYLE}; script-src 'self'; img-src 'self' data:; font-src 'self'`;
const ORIGIN = 'http://trapline.test';

export interface Setup {
  packets: number;
  state?: 'running' | 'finished' | 'cancelled' | 'crashed' | 'failed' | 'truncated';
  message?: string;
  maxEvents?: number;
  silent?: boolean;
}

export interface OpenPage {
  page: Page;
  /** Errors of the page and breaches of its policy. */
  problems: string[];
}

/** Builds pages and their stand-ins for the extension host; by path below the page's origin. */
export async function bundled(entryPoints: Record<string, string>): Promise<ReadonlyMap<string, string>> {
  const results = await Promise.all(
    Object.entries(entryPoints).map(([name, file]) =>
      build({
        entryPoints: { [name]: file },
        bundle: true,
        write: false,
        format: 'iife',
        platform: 'browser',
        target: 'chrome128',
        absWorkingDir: ROOT,
        outdir: '/out',
      }),
    ),
  );
  return new Map(
    results.flatMap(({ outputFiles }) =>
      outputFiles.map((file) => [file.path.slice('/out'.length), file.text] as const),
    ),
  );
}

/** The system's Chromium, without a window. */
export function launchBrowser(): Promise<Browser> {
  return chromium.launch({ executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium', args: FLAGS });
}

/** Opens a page in a theme, under the extension's policy. @param body what stands in it */
export async function openPage(
  browser: Browser,
  files: ReadonlyMap<string, string>,
  style: string,
  body: string,
  theme: ThemeName,
  size: { width: number; height: number },
): Promise<OpenPage> {
  const page = await browser.newPage({ viewport: size });
  const problems: string[] = [];
  page.on('pageerror', (error) => problems.push(error.stack ?? error.message));
  page.on('console', (message) => message.type() === 'error' && problems.push(message.text()));
  const { css, bodyClass } = themeOf(theme);
  const html = `<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>Trace</title>
<link rel="stylesheet" href="/theme.css"><link rel="stylesheet" href="${style}"></head>
<body class="${bodyClass}">${body}</body></html>`;
  await page.route('**/*', async (route) => {
    const path = new URL(route.request().url()).pathname;
    if (path === '/')
      return route.fulfill({
        contentType: 'text/html',
        body: html,
        headers: { 'Content-Security-Policy': POLICY },
      });
    if (path === '/theme.css') return route.fulfill({ contentType: 'text/css', body: `:root {${css}}` });
    const file = files.get(path);
    if (file === undefined) return route.fulfill({ status: 204, body: '' });
    return route.fulfill({ contentType: path.endsWith('.css') ? 'text/css' : 'text/javascript', body: file });
  });
  await page.goto(`${ORIGIN}/`);
  return { page, problems };
}

export class Harness {
  private constructor(
    private readonly browser: Browser,
    private readonly files: ReadonlyMap<string, string>,
  ) {}

  static async start(): Promise<Harness> {
    const files = await bundled({ main: 'webview/main.ts', host: 'test/webview/page/host.ts' });
    const browser = await launchBrowser();
    return new Harness(browser, files);
  }

  /** Opens the page of a trace. */
  async open(
    setup: Setup,
    theme: ThemeName = 'dark',
    size = { width: 1400, height: 900 },
  ): Promise<OpenPage> {
    const body = '<main id="app"></main><script src="/host.js"></script><script src="/main.js"></script>';
    const { page, problems } = await openPage(this.browser, this.files, '/main.css', body, theme, size);
    await page.evaluate((given) => window.fakeHost.start({ state: 'finished', ...given }), setup);
    await settle(page);
    return { page, problems };
  }

  async stop(): Promise<void> {
    await this.browser.close();
  }
}

/** Waits until the page has come to rest: answers are there and drawn, what it puts off is done. */
export async function settle(page: Page): Promise<void> {
  await page.evaluate(() => window.fakeHost.atRest());
}

/** What the page keeps for later. */
export interface KeptState {
  window: { from: number; to: number };
  selection: number;
  follow: boolean;
  tab: string;
  query: string;
}

/** The kept state, once everything has come to rest. */
export async function stateOf(page: Page): Promise<KeptState> {
  await settle(page);
  return (await page.evaluate(
    () => JSON.parse(sessionStorage.getItem('state') ?? 'null') as unknown,
  )) as KeptState;
}

/** A rectangle in pixels of the page. */
export interface PixelBox {
  x: number;
  y: number;
  width: number;
  height: number;
}

/** Where an element is. */
export async function boxOf(page: Page, selector: string): Promise<PixelBox> {
  const box = await page.locator(selector).first().boundingBox();
  if (!box) throw new Error(`the page shows no ${selector}`);
  return box;
}

/** Where the lanes are. */
export function surfaceBox(page: Page): Promise<PixelBox> {
  return boxOf(page, '.surface');
}

/** Keeps a picture under `artifacts/webview/`. */
export async function picture(page: Page, name: string): Promise<void> {
  const folder = join(ROOT, 'artifacts/webview');
  mkdirSync(folder, { recursive: true });
  await page.screenshot({ path: join(folder, `${name}.png`) });
}
