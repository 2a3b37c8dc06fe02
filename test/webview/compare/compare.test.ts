/** The page that compares runs: it shows the report's figures, and each of them leads where its events are. */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { coursesOf, reportOf, type NamedStore } from '../../../src/extension/compare/comparing-thread';
import type { ComparisonReport, FromComparison, ToComparison } from '../../../src/protocol/comparison';
import { betterOf, rowsToShow } from '../../../src/trace/query/comparison-text';
import { readTrace } from '../../../src/trace/file/file';
import { TraceStore } from '../../../src/trace/query/store';
import { bundled, launchBrowser, openPage, picture } from '../harness';
import type { ThemeName } from '../themes';

const ROOT = join(import.meta.dirname, '../../..');
const NAMES = ['c7-e1000', 'c7-virtio', 'c7-vhost'];

let browser: Browser;
let files: ReadonlyMap<string, string>;
let runs: NamedStore[];
let report: ComparisonReport;

beforeAll(async () => {
  files = await bundled({ compare: 'webview/compare/main.ts', host: 'test/webview/compare/host.ts' });
  browser = await launchBrowser();
  // A thread of the browser's kind knows no machine to run: the runs are made as a user makes them.
  const folder = mkdtempSync(join(tmpdir(), 'trapline-compare-'));
  cpSync(join(ROOT, 'media/workspace'), folder, { recursive: true });
  runs = NAMES.map((name): NamedStore => {
    const [scenario, trace] = ['json', 'arrow'].map((ending) =>
      join(folder, 'scenarios', `${name}.trapline.${ending}`),
    );
    const text = readFileSync(scenario ?? '', 'utf8').replace(/"PACKETS": \d+/, '"PACKETS": 60');
    writeFileSync(scenario ?? '', text.replace(/"expect": \{[^}]*\},?/, ''));
    execFileSync(process.execPath, [
      join(ROOT, 'dist/cli.js'),
      'run',
      scenario ?? '',
      '--out',
      trace ?? '',
      '--quiet',
    ]);
    return { name, store: readTrace(readFileSync(trace ?? '')) };
  });
  rmSync(folder, { recursive: true, force: true });
  report = reportOf(runs, () => undefined);
});
afterAll(() => browser?.close());

interface Opened {
  page: Page;
  problems: string[];
  /** What the page said, but for the operations that it asked for. */
  said: FromComparison[];
}

async function open(
  shown = report,
  theme: ThemeName = 'dark',
  size = { width: 1400, height: 900 },
): Promise<Opened> {
  const body = '<main id="app"></main>';
  const { page, problems } = await openPage(browser, files, '/compare.css', body, theme, size);
  const said: FromComparison[] = [];
  await page.exposeFunction('answer', (message: FromComparison): ToComparison | null => {
    if (message.type === 'ready') return { type: 'show', report: shown };
    if (message.type === 'courses') {
      const { difference, sort, index } = message;
      const query = { difference, sort, index };
      return { type: 'courses', query, courses: coursesOf(runs, query) };
    }
    said.push(message);
    return null;
  });
  for (const script of ['host', 'compare']) await page.addScriptTag({ url: `/${script}.js` });
  await page.locator('.figures').waitFor();
  return { page, problems, said };
}

/** What the page has said once it has said something. */
async function saidBy({ page, said }: Opened, act: () => Promise<void>): Promise<FromComparison | undefined> {
  const before = said.length;
  await act();
  await expect.poll(() => said.length).toBe(before + 1);
  await page.bringToFront();
  return said.at(-1);
}

describe('the comparison', () => {
  it('shows every figure of every run that says something, and each that has events leads to them', async () => {
    const opened = await open();
    const { page, problems } = opened;
    const rows = rowsToShow(report.comparison.rows);
    expect(await page.locator('.figures tbody tr:not(.group)').count()).toBe(rows.length);
    const row = page.locator('.figures tbody tr', { hasText: 'EPT_MISCONFIG' });
    expect(await saidBy(opened, () => row.locator('.link').nth(1).click())).toEqual({
      type: 'figure',
      run: 1,
      figure: 'exits.EPT_MISCONFIG',
    });
    // Best and worst are told where there are any, by a sign that needs no colour.
    const judged = rows.filter(
      ({ figure, values }) =>
        betterOf(figure) !== undefined && new Set(values.filter((value) => value !== null)).size > 1,
    );
    const stars = await page.locator('.figures tbody tr', { has: page.locator('.standing.best') }).count();
    expect(stars).toBe(judged.length);
    expect(await page.locator('.standing.best').first().innerText()).toBe('★');
    expect(problems).toEqual([]);
    await page.close();
  });

  it('leads from where the runs part to both events and their lines', async () => {
    const opened = await open();
    const { page } = opened;
    const { parting } = report.differences[0] ?? {};
    if (!parting) throw new Error('these runs part');
    const card = page.locator('.card', { hasText: 'Where they part' });
    for (const [side, event] of parting.events.entries()) {
      if (event === null) continue;
      const link = card.getByText(event.sentence, { exact: true }).nth(0);
      expect(await saidBy(opened, () => link.click())).toEqual({ type: 'event', run: side, row: event.row });
    }
    await page.close();
  });

  it('puts the nth operation beside the nth, and goes to any other', async () => {
    const opened = await open();
    const { page } = opened;
    const [first] = report.differences[0]?.operations ?? [];
    expect(first?.sort).toBe('received');
    await page.locator('.course .stage').first().waitFor();
    const number = page.locator('input[type=number]');
    await number.fill('7');
    await number.press('Enter');
    const [own] = coursesOf(runs, { difference: 0, sort: 'received', index: 6 });
    const stages = page.locator('.course').first().locator('.stage');
    await expect.poll(() => stages.count()).toBe(own?.legs.length);
    // Legs add up to the whole, and so do their bars: the longer of both operations is as long as the track.
    const lengths = await page
      .locator('.course-track')
      .evaluateAll((tracks) =>
        tracks.map((track) =>
          [...track.children].reduce((sum, bar) => sum + parseFloat((bar as HTMLElement).style.width), 0),
        ),
      );
    expect(Math.max(...lengths)).toBeCloseTo(100, 0);
    const leg = own?.legs[1];
    expect(
      await saidBy(opened, () =>
        stages
          .nth(1)
          .focus()
          .then(() => page.keyboard.press('Enter')),
      ),
    ).toEqual({
      type: 'event',
      run: 0,
      row: leg?.row,
    });
    await page.close();
  });

  it('goes to another pair of runs, lines and reasons of which lead to source and events', async () => {
    const opened = await open();
    const { page } = opened;
    await page.locator('h2.beside select').selectOption('1');
    const { lines = [], reasons = [] } = report.differences[1] ?? {};
    const line = page.locator('.card', { hasText: 'By line of source' }).locator('tbody tr').first();
    expect(await saidBy(opened, () => line.locator('th .link').click())).toEqual({
      type: 'line',
      difference: 1,
      index: 0,
    });
    const side = (lines[0]?.exits[1] ?? 0) > 0 ? 1 : 0;
    const figure = line.locator('td').nth(side).locator('.link');
    expect(await saidBy(opened, () => figure.click())).toEqual({
      ...{ type: 'cost', run: side === 0 ? 0 : 2, difference: 1, of: 'lines', index: 0 },
    });
    const reason = page.locator('.card', { hasText: 'By reason' }).locator('tbody th').first();
    expect(await reason.innerText()).toBe(reasons[0]?.reason);
    await page.close();
  });

  it('shows runs that have nothing, and names that are markup, as what they are', async () => {
    const name = '<img src=x onerror=alert(1)>';
    const nothing = new TraceStore({
      ...runs[0].store.meta,
      tracks: [],
      places: [],
      counts: [],
      title: name,
    });
    const { page, problems } = await open(
      reportOf(
        [
          { name, store: nothing },
          { name, store: nothing },
        ],
        () => undefined,
      ),
    );
    expect(await page.locator('img').count()).toBe(0);
    expect(await page.locator('.runs').innerText()).toContain(name);
    expect(problems).toEqual([]);
    await page.close();
  });
});

it.each(['dark', 'light', 'hc-dark', 'hc-light'] as const)(
  'shuts nobody out, fits its windows and draws without an error in %s',
  async (theme) => {
    for (const [width, height] of [
      [1400, 900],
      [900, 600],
    ] as const) {
      const { page, problems } = await open(report, theme, { width, height });
      await page.locator('.course .stage').first().waitFor();
      await page.evaluate(
        () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))),
      );
      await picture(page, `compare-${theme}-${width}`);
      const app = page.locator('#app');
      expect(await app.evaluate((each) => each.scrollWidth - each.clientWidth)).toBeLessThanOrEqual(0);
      for (const part of ['.figures', 'h2.beside', '.cards.wide']) {
        await page.locator(part).evaluate((each) => each.scrollIntoView());
        await picture(page, `compare-${theme}-${width}${part.replace(/\W+/g, '-')}`);
      }
      if (width === 1400) {
        await page.evaluate(
          readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8'),
        );
        const serious = await page.evaluate(async () => {
          const { axe } = window as unknown as {
            axe: {
              run(): Promise<{ violations: { id: string; impact: string; nodes: { html: string }[] }[] }>;
            };
          };
          const { violations } = await axe.run();
          return violations
            .filter(({ impact }) => impact === 'serious' || impact === 'critical')
            .map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 160)).join(' | ')}`);
        });
        expect(serious).toEqual([]);
      }
      expect(problems).toEqual([]);
      await page.close();
    }
  },
);
