/** The panes around the lanes, and the wheel: overview, statistics, events, chain, themes. */
import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Harness, boxOf, settle, stateOf, surfaceBox, type OpenPage, type Setup } from './harness';
import { themeOf } from './themes';

let harness: Harness;
let open: OpenPage | undefined;
beforeAll(async () => {
  harness = await Harness.start();
});
afterAll(() => harness?.stop());
afterEach(async () => {
  const problems = open?.problems ?? [];
  await open?.page.close();
  open = undefined;
  expect(problems).toEqual([]);
});

async function pageOf(setup: Setup, size?: { width: number; height: number }): Promise<Page> {
  open = await harness.open(setup, 'dark', size);
  return open.page;
}

const wholeOf = async (page: Page): Promise<number> =>
  Math.ceil((await page.evaluate(() => window.fakeHost.endTime())) * 1.02);

async function drag(page: Page, from: number, to: number, y: number): Promise<void> {
  await page.mouse.move(from, y);
  await page.mouse.down();
  await page.mouse.move(to, y, { steps: 5 });
  await page.mouse.up();
}

describe('the overview', () => {
  it('makes what is dragged over the window, and the frame a handle for it', async () => {
    const page = await pageOf({ packets: 20 });
    const box = await boxOf(page, '.minimap-area');
    const y = box.y + box.height / 2;
    const whole = await wholeOf(page);
    // The frame fills the overview at first: its right edge makes room.
    await drag(page, box.x + box.width - 2, box.x + box.width * 0.4, y);
    const cut = (await stateOf(page)).window;
    expect(cut.from).toBe(0);
    expect(cut.to / whole).toBeCloseTo(0.4, 2);
    await drag(page, box.x + box.width * 0.2, box.x + box.width * 0.5, y);
    const moved = (await stateOf(page)).window;
    expect(moved.to - moved.from).toBeCloseTo(cut.to - cut.from, 3);
    expect(moved.from / whole).toBeCloseTo(0.3, 2);
    await drag(page, box.x + box.width * 0.9, box.x + box.width * 0.8, y);
    const drawn = (await stateOf(page)).window;
    expect(drawn.from / whole).toBeCloseTo(0.8, 2);
    expect(drawn.to / whole).toBeCloseTo(0.9, 2);
  });

  it('zooms by the wheel about the pointer', async () => {
    const page = await pageOf({ packets: 20 });
    const box = await boxOf(page, '.minimap-area');
    const whole = await wholeOf(page);
    await page.mouse.move(box.x + box.width * 0.25, box.y + 10);
    await page.mouse.wheel(0, -100);
    const { window: shown } = await stateOf(page);
    expect((shown.to - shown.from) / whole).toBeCloseTo(1 / 1.2, 3);
    expect(shown.from / whole).toBeCloseTo(0.25 * (1 - 1 / 1.2), 3);
  });
});

describe('the wheel alone', () => {
  it('zooms on the axis, scrolls lanes that do not fit, and says once how to zoom there', async () => {
    const page = await pageOf({ packets: 20 }, { width: 900, height: 420 });
    const box = await surfaceBox(page);
    const whole = await wholeOf(page);
    await page.mouse.move(box.x + 300, box.y + 10);
    await page.mouse.wheel(0, -100);
    const zoomed = (await stateOf(page)).window;
    expect((zoomed.to - zoomed.from) / whole).toBeCloseTo(1 / 1.2, 3);
    await page.mouse.move(box.x + 300, box.y + 60);
    await page.mouse.wheel(0, 40);
    expect((await stateOf(page)).window).toEqual(zoomed);
    expect(await page.locator('.scroller').evaluate((element) => element.scrollTop)).toBe(40);
    expect(await page.locator('.hint').innerText()).toContain('Ctrl + wheel');
  });

  it('zooms over lanes that all fit', async () => {
    const page = await pageOf({ packets: 20 }, { width: 1000, height: 1300 });
    const box = await surfaceBox(page);
    await page.mouse.move(box.x + 300, box.y + 60);
    await page.mouse.wheel(0, -100);
    const { window: shown } = await stateOf(page);
    expect((shown.to - shown.from) / (await wholeOf(page))).toBeCloseTo(1 / 1.2, 3);
  });
});

it('a crowded pixel tells how much it holds, and opens one of its events', async () => {
  const page = await pageOf({ packets: 3000 });
  const box = await surfaceBox(page);
  const lane = await boxOf(page, '.gutter-lane:has-text("exits")');
  const x = box.x + box.width / 2;
  await page.mouse.move(x, lane.y + lane.height - 6);
  await settle(page);
  const tooltip = await page.locator('.tooltip').innerText();
  expect(tooltip).toMatch(/^\d+ exits here; zoom in to tell them apart/);
  expect(tooltip).toContain('One of them: ');
  await page.mouse.click(x, lane.y + lane.height - 6);
  const { selection } = await stateOf(page);
  expect(await page.evaluate((row) => window.fakeHost.nameOf(row), selection)).toMatch(/^exit\./);
});

it('a figure leads to the events that it counts', async () => {
  const page = await pageOf({ packets: 7 });
  await page.locator('#tab-statistics').click();
  await settle(page);
  await page.getByRole('button', { name: 'sent', exact: true }).click();
  const { query, selection } = await stateOf(page);
  expect(query).toBe('kind:packet.tx');
  expect(await page.evaluate((row) => window.fakeHost.nameOf(row), selection)).toBe('packet.tx');
  expect(await page.locator('.find-count').innerText()).toBe('1 of 7');
});

it('the events are walked through by keys', async () => {
  const page = await pageOf({ packets: 50 });
  await page.locator('#tab-events').click();
  await settle(page);
  const rows = await page.evaluate(() => window.fakeHost.rows());
  await page.locator('.events-grid').focus();
  await page.keyboard.press('Home');
  expect((await stateOf(page)).selection).toBe(0);
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('ArrowDown');
  expect((await stateOf(page)).selection).toBe(2);
  expect(await page.locator('.events-row.selected').getAttribute('aria-rowindex')).toBe('4');
  await page.keyboard.press('End');
  expect((await stateOf(page)).selection).toBe(rows - 1);
  await page.keyboard.press('Enter');
  await settle(page);
  const opened = await page.evaluate(() =>
    window.fakeHost.calls.filter(({ method }) => method === 'openSource').map(({ args }) => args),
  );
  expect(opened).toEqual([[rows - 1, true, true]]);
});

describe('the chain', () => {
  const openChain = async (page: Page): Promise<void> => {
    const { row } = await page.evaluate(() => window.fakeHost.first('exit.EPT_MISCONFIG'));
    await page.evaluate((at) => window.fakeHost.post({ type: 'reveal', row: at }), row);
    await page.locator('#tab-chain').click();
    await settle(page);
  };

  it('fits into the window by C', async () => {
    const page = await pageOf({ packets: 20 });
    await openChain(page);
    const whole = (await stateOf(page)).window;
    await page.locator('.surface').focus();
    await page.keyboard.press('c');
    const { window: shown } = await stateOf(page);
    expect(shown.to - shown.from).toBeLessThan((whole.to - whole.from) / 3);
    const { start } = await page.evaluate(() => window.fakeHost.first('exit.EPT_MISCONFIG'));
    expect(start).toBeGreaterThan(shown.from);
    expect(start - shown.from).toBeLessThan((shown.to - shown.from) * 0.1);
  });

  it('folds the legs of an exit until they are asked for', async () => {
    const page = await pageOf({ packets: 2 });
    await openChain(page);
    const names = (): Promise<string[]> => page.locator('.chain-name').allInnerTexts();
    expect(await names()).not.toContain('qemu.handle');
    await page.locator('.chain-legs').first().click();
    expect(await names()).toContain('qemu.handle');
  });
});

describe('going along a chain', () => {
  const currentRow = (page: Page): Promise<number> =>
    page
      .locator('.chain-list .current')
      .evaluate((element) => Number((element as HTMLElement).dataset['row']));
  const open = async (page: Page, name: string): Promise<number> => {
    const { row } = await page.evaluate((kind) => window.fakeHost.first(kind), name);
    await page.evaluate((at) => window.fakeHost.post({ type: 'reveal', row: at }), row);
    await page.locator('#tab-chain').click();
    await settle(page);
    return row;
  };
  const nameOf = (page: Page, row: number): Promise<string> =>
    page.evaluate((at) => window.fakeHost.nameOf(at), row);

  it('goes from cause to consequence and back by keys, with the selection, while the chain stays', async () => {
    const page = await pageOf({ packets: 3 });
    const exit = await open(page, 'exit.EPT_MISCONFIG');
    const events = await page.locator('.chain-item').count();
    await page.locator('.chain-list .current').focus();
    const names: string[] = [];
    for (let i = 0; i < 4; i++) {
      await page.keyboard.press('ArrowRight');
      const { selection } = await stateOf(page);
      expect(await currentRow(page)).toBe(selection);
      names.push(await nameOf(page, selection));
    }
    expect(names).toEqual(['mmio.write', 'dma.read', 'dma.read', 'packet.tx']);
    expect(await page.locator('.chain-item').count()).toBe(events);
    for (let i = 0; i < 4; i++) await page.keyboard.press('ArrowLeft');
    expect((await stateOf(page)).selection).toBe(exit);
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('End');
    const last = (await stateOf(page)).selection;
    await page.keyboard.press('Enter');
    await settle(page);
    const opened = await page.evaluate(() =>
      window.fakeHost.calls.filter(({ method }) => method === 'openSource').map(({ args }) => args),
    );
    expect(opened).toEqual([[last, true, true]]);
  });

  it('reaches as many steps as are asked for, and more', async () => {
    const page = await pageOf({ packets: 3 });
    await open(page, 'exit.EPT_MISCONFIG');
    const whole = await page.locator('.chain-item').count();
    expect(await page.locator('.chain-rest').innerText()).not.toContain('further');
    await page.locator('.chain-bar vscode-dropdown').click();
    await page.locator('vscode-option[value="4"]').click();
    await settle(page);
    const near = await page.locator('.chain-item').count();
    expect(near).toBeLessThan(whole);
    expect(await page.locator('.chain-rest').innerText()).toContain('It goes further on.');
    await page.getByRole('button', { name: 'Show more' }).click();
    await settle(page);
    expect(await page.locator('.chain-item').count()).toBeGreaterThan(near);
  });
});

describe('the critical path', () => {
  it('has a piece of the bar and a line for each leg, and stays while the reader goes along it', async () => {
    const page = await pageOf({ packets: 3 });
    const { row } = await page.evaluate(() => window.fakeHost.first('packet.tx'));
    await page.evaluate((at) => window.fakeHost.post({ type: 'reveal', row: at }), row);
    await page.locator('#tab-path').click();
    await settle(page);
    expect(await page.locator('.path .chain-bar').innerText()).toContain('exit.EPT_MISCONFIG → handler');
    const legs = await page.locator('.path .chain-item').count();
    expect(await page.locator('.path-leg').count()).toBe(legs);
    await page.locator('.path .current').focus();
    await page.keyboard.press('Home');
    const { selection } = await stateOf(page);
    expect(await page.evaluate((at) => window.fakeHost.nameOf(at), selection)).toBe('exit.EPT_MISCONFIG');
    const asked = await page.evaluate(
      () => window.fakeHost.calls.filter(({ method }) => method === 'criticalPath').length,
    );
    for (let i = 1; i < legs; i++) await page.keyboard.press('ArrowDown');
    const end = (await stateOf(page)).selection;
    expect(await page.evaluate((at) => window.fakeHost.nameOf(at), end)).toBe('handler');
    expect(
      await page.evaluate(
        () => window.fakeHost.calls.filter(({ method }) => method === 'criticalPath').length,
      ),
    ).toBe(asked);
  });
});

it('operations lead to the slowest one, and from there to its path', async () => {
  const page = await pageOf({ packets: 12 });
  await page.locator('#tab-operations').click();
  await settle(page);
  expect(await page.locator('.operations .statistics-bar').innerText()).toContain('12 operations');
  const row = page.locator('.operations-shapes vscode-data-grid-row.leads').first();
  const slowest = await row.locator('button').last().innerText();
  await row.locator('button').last().click();
  await settle(page);
  expect((await stateOf(page)).tab).toBe('path');
  expect(await page.locator('.path .chain-bar .number').innerText()).toBe(slowest);
});

it('a row of statistics filters the timeline by its query', async () => {
  const page = await pageOf({ packets: 7 });
  await page.locator('#tab-statistics').click();
  await settle(page);
  const exits = page.locator('section:has(h3:text-is("VM exits")) vscode-data-grid-row.leads');
  await exits.filter({ hasText: 'EXTERNAL_INTERRUPT' }).locator('vscode-data-grid-cell').nth(3).click();
  expect((await stateOf(page)).query).toBe('exit:EXTERNAL_INTERRUPT');
  expect(await page.locator('.find-count').innerText()).toBe('1 of 7');
  await page.getByRole('button', { name: 'injected by the VMM' }).click();
  expect((await stateOf(page)).query).toContain('irq.deliver');
  expect(await page.locator('.find-count').innerText()).toBe('1 of 7');
});

it('takes on a theme that is chosen while it is open', async () => {
  const page = await pageOf({ packets: 10 });
  const modeRow = (): Promise<number[]> =>
    page.evaluate(() => {
      const canvas = document.querySelector<HTMLCanvasElement>('.surface canvas');
      const lane = document.querySelector('.gutter-lane')?.getBoundingClientRect();
      const surface = canvas?.getBoundingClientRect();
      const context = canvas?.getContext('2d');
      if (!canvas || !context || !lane || !surface) return [];
      // A pixel row through the mode lane.
      const y = Math.round((lane.y + lane.height / 2 - surface.y) * devicePixelRatio);
      return [...context.getImageData(0, y, canvas.width, 1).data];
    });
  const before = await modeRow();
  const { css, bodyClass } = themeOf('light');
  await page.evaluate(
    ([text, name]) => {
      for (const line of (text ?? '').split('\n')) {
        const at = line.indexOf(':');
        document.documentElement.style.setProperty(
          line.slice(0, at).trim(),
          line
            .slice(at + 1)
            .replace(/;$/, '')
            .trim(),
        );
      }
      document.body.className = name ?? '';
    },
    [css, bodyClass],
  );
  await settle(page);
  const after = await modeRow();
  const changed = after.filter((value, i) => value !== before[i]).length;
  expect(changed).toBeGreaterThan(before.length * 0.3);
});
