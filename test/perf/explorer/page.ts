/** How the trace page fares in a browser without a GPU: time to the first lanes, and frames while a reader pans and zooms. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { build } from 'esbuild';
import { chromium, type Browser, type Page } from 'playwright-core';
import type { Figures } from '../side-by-side';

const ORIGIN = 'http://trapline.test';
/** Of the page itself, and of what it is compared with. */
const SIZES: readonly [name: string, events: number][] = [
  ['1M', 1_000_000],
  ['10M', 10_000_000],
];
const RIVAL_SIZES: readonly [name: string, events: number][] = [
  ['1k', 1_000],
  ['20k', 20_000],
  ['1M', 1_000_000],
];
/** Pans and zooms, one a frame. */
const GESTURES = 90;
/** Milliseconds after which a rival has failed. */
const PATIENCE = 60_000;
const VIS = 'node_modules/vis-timeline/standalone/umd/vis-timeline-graph2d.min.js';

export type Files = ReadonlyMap<string, string>;

async function bundles(root: string): Promise<Files> {
  const options = {
    bundle: true,
    write: false,
    format: 'iife',
    platform: 'browser',
    target: 'chrome128',
    minify: true,
    absWorkingDir: root,
    outdir: '/out',
    entryPoints: {
      main: 'webview/main.ts',
      'stand-in': 'test/webview/perf/stand-in.ts',
      'file-stand-in': 'test/webview/perf/file-stand-in.ts',
      'host-worker': 'test/webview/perf/host-worker.ts',
      rivals: 'test/webview/perf/rivals.ts',
    },
  } as const;
  const { outputFiles } = await build(options);
  const files = new Map(outputFiles.map(({ path, text }) => [path.slice('/out'.length), text]));
  const vis = join(root, VIS);
  if (existsSync(vis)) files.set('/vis.js', await readFile(vis, 'utf8'));
  return files;
}

/** Opens a page with some of the files in it. */
export async function openPage(browser: Browser, files: Files, scripts: readonly string[]): Promise<Page> {
  const page = await browser.newPage({ viewport: { width: 1400, height: 900 } });
  const tags = scripts.map((name) => `<script src="/${name}.js"></script>`).join('');
  const body = `<!DOCTYPE html><html><head><link rel="stylesheet" href="/main.css"></head>
<body class="vscode-dark"><main id="app"></main>${tags}</body></html>`;
  await page.route('**/*', async (route) => {
    const path = new URL(route.request().url()).pathname;
    if (path === '/') return route.fulfill({ contentType: 'text/html', body });
    const file = files.get(path);
    if (file === undefined) return route.fulfill({ status: 204, body: '' });
    return route.fulfill({ contentType: path.endsWith('.css') ? 'text/css' : 'text/javascript', body: file });
  });
  await page.goto(`${ORIGIN}/`);
  return page;
}

async function measureOurs(browser: Browser, files: Files, say: (line: string) => void): Promise<Figures> {
  const figures: Figures = {};
  let worst = 0;
  for (const [name, events] of [...RIVAL_SIZES.slice(0, 2), ...SIZES]) {
    const page = await openPage(browser, files, ['stand-in', 'main']);
    await page.evaluate(`bench.record(${events})`);
    const firstPaint = await page.evaluate<number>('bench.firstPaint()');
    const frame = await page.evaluate<Record<'p50' | 'p95' | 'longest', number>>(
      `bench.gestures(${GESTURES})`,
    );
    say(
      `explorer: ours at ${name}: first paint ${firstPaint.toFixed(0)} ms, frame p50 ${frame.p50.toFixed(1)}, p95 ${frame.p95.toFixed(1)}, longest ${frame.longest.toFixed(1)} ms`,
    );
    figures[`explorer.firstPaint${name}Ms`] = firstPaint;
    figures[`explorer.frame${name}.p95Ms`] = frame.p95;
    if (events >= 1_000_000) worst = Math.max(worst, frame.p95);
    await page.close();
  }
  figures['explorer.frame.p95Ms'] = worst;
  return figures;
}

async function measureRivals(browser: Browser, files: Files, say: (line: string) => void): Promise<Figures> {
  const figures: Figures = {};
  const rivals = files.has('/vis.js') ? ['chartjs', 'vis'] : ['chartjs'];
  if (!files.has('/vis.js')) say('explorer: vis-timeline is not installed and is left out');
  for (const rival of rivals) {
    for (const [name, events] of RIVAL_SIZES) {
      const page = await openPage(browser, files, rival === 'vis' ? ['vis', 'rivals'] : ['rivals']);
      const measured = page.evaluate<{ firstPaint: number; p95: number }>(
        `rivals.measure('${rival}', ${events}, 30)`,
      );
      let timer: NodeJS.Timeout | undefined;
      const gaveUp = new Promise<undefined>((resolve) => {
        timer = setTimeout(() => resolve(undefined), PATIENCE);
      });
      const result = await Promise.race([measured.catch(() => undefined), gaveUp]);
      clearTimeout(timer);
      say(
        result
          ? `explorer: ${rival} at ${name}: first paint ${result.firstPaint.toFixed(0)} ms, frame p95 ${result.p95.toFixed(1)} ms`
          : `explorer: ${rival} at ${name}: not done in ${PATIENCE / 1000} s`,
      );
      if (result) {
        figures[`explorer.${rival}.firstPaint${name}Ms`] = result.firstPaint;
        figures[`explorer.${rival}.frame${name}.p95Ms`] = result.p95;
      }
      await page.close({ runBeforeUnload: false });
      if (!result) break;
    }
  }
  return figures;
}

/**
 * Measures the page of this checkout, and beside it stock Chart.js and, where it is installed, vis-timeline.
 * @param opening what else is measured in the browser
 */
export async function measurePage(
  root: string,
  say: (line: string) => void,
  opening: (browser: Browser, files: Files) => Promise<Figures>,
): Promise<Figures> {
  const files = await bundles(root);
  const browser = await chromium.launch({
    executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--js-flags=--max-old-space-size=4096'],
  });
  try {
    return {
      ...(await opening(browser, files)),
      ...(await measureOurs(browser, files, say)),
      ...(await measureRivals(browser, files, say)),
    };
  } finally {
    await browser.close();
  }
}
