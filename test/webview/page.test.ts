/** What a reader does with the page, by mouse and keys. */
import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Harness, settle, stateOf, surfaceBox, type OpenPage, type Setup } from './harness';

/** Pixels within which marks take the edge of an event, and one for rounding. */
const SNAP = 8;

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

async function pageOf(setup: Setup): Promise<Page> {
  open = await harness.open(setup);
  return open.page;
}

/** A pixel inside the first exit span: the exits lane is below axis, heading and mode lane. */
async function firstExit(page: Page): Promise<{ x: number; y: number; row: number }> {
  const box = await surfaceBox(page);
  const rows = page.locator('.gutter-lane', { hasText: 'exits' });
  const lane = await rows.first().boundingBox();
  const { row, start, duration } = await page.evaluate(() => window.fakeHost.first('exit.EPT_MISCONFIG'));
  const { window: shown } = await stateOf(page);
  const x = box.x + ((start + duration / 2 - shown.from) / (shown.to - shown.from)) * box.width;
  return { x, y: (lane?.y ?? 0) + (lane?.height ?? 0) / 2, row };
}

async function called(page: Page, method: string): Promise<unknown[][]> {
  return page.evaluate(
    (name) => window.fakeHost.calls.filter((call) => call.method === name).map((call) => call.args),
    method,
  );
}

describe('looking at a trace', () => {
  it('draws lanes: the canvas holds many colours', async () => {
    const page = await pageOf({ packets: 10 });
    const colours = await page.evaluate(() => {
      const canvas = document.querySelector<HTMLCanvasElement>('.surface canvas');
      const data = canvas?.getContext('2d')?.getImageData(0, 0, canvas.width, canvas.height).data ?? [];
      const seen = new Set<number>();
      for (let i = 0; i < data.length; i += 4)
        seen.add(((data[i] ?? 0) << 16) | ((data[i + 1] ?? 0) << 8) | (data[i + 2] ?? 0));
      return seen.size;
    });
    expect(colours).toBeGreaterThan(20);
  });

  it('marks where recording stopped, however far away it is, and says why', async () => {
    const page = await pageOf({ packets: 40, maxEvents: 500 });
    const gap = page.locator('.gap');
    expect(((await gap.textContent()) ?? '').replaceAll('\u2009', ' ')).toBe(
      'not recorded: the limit of 500 events was reached',
    );
    const banner = (await page.locator('.banner').textContent()) ?? '';
    expect(banner).toContain('Raise trace.maxEvents in the scenario, or narrow trace.kinds');
    const box = await surfaceBox(page);
    const mark = await gap.boundingBox();
    const { window: shown } = await stateOf(page);
    const at = await page.evaluate(() => window.fakeHost.gapFrom());
    const left = box.x + ((at - shown.from) / (shown.to - shown.from)) * box.width;
    expect(mark?.x).toBeCloseTo(left, -1);
    const end = await page.evaluate(() => window.fakeHost.endTime());
    const right = box.x + ((end - shown.from) / (shown.to - shown.from)) * box.width;
    expect((mark?.x ?? 0) + (mark?.width ?? 0)).toBeCloseTo(right, -1);
  });

  it('zooms by ctrl+wheel so that the time under the pointer stays', async () => {
    const page = await pageOf({ packets: 10 });
    const box = await surfaceBox(page);
    const before = await page.evaluate(() => ({ from: 0, to: Math.ceil(window.fakeHost.endTime() * 1.02) }));
    const share = 0.4;
    await page.mouse.move(box.x + box.width * share, box.y + 60);
    await page.keyboard.down('Control');
    await page.mouse.wheel(0, -200);
    await page.keyboard.up('Control');
    const { window: after } = await stateOf(page);
    expect(after.to - after.from).toBeLessThan((before.to - before.from) * 0.8);
    const at = (w: { from: number; to: number }): number => w.from + share * (w.to - w.from);
    expect(Math.abs(at(after) - at(before))).toBeLessThan((before.to - before.from) * 0.002);
  });

  it('pans by shift+wheel and by dragging, and keeps the length of the window', async () => {
    const page = await pageOf({ packets: 10 });
    const box = await surfaceBox(page);
    await page.locator('.surface').focus();
    for (let i = 0; i < 4; i++) {
      await page.keyboard.press('w');
      await settle(page);
    }
    const start = (await stateOf(page)).window;
    await page.mouse.move(box.x + 500, box.y + 400);
    await page.mouse.down();
    await page.mouse.move(box.x + 400, box.y + 400, { steps: 4 });
    await page.mouse.up();
    const dragged = (await stateOf(page)).window;
    const span = start.to - start.from;
    expect(dragged.to - dragged.from).toBeCloseTo(span, 3);
    expect((dragged.from - start.from) / span).toBeCloseTo(100 / box.width, 2);
    await page.keyboard.down('Shift');
    await page.mouse.wheel(0, -50);
    await page.keyboard.up('Shift');
    const wheeled = (await stateOf(page)).window;
    expect((wheeled.from - dragged.from) / span).toBeCloseTo(-50 / box.width, 2);
  });

  it('never zooms out beyond the trace nor in below a cycle a pixel and less', async () => {
    const page = await pageOf({ packets: 10 });
    await page.locator('.surface').focus();
    await page.keyboard.press('s');
    await settle(page);
    const end = await page.evaluate(() => window.fakeHost.endTime());
    await page.keyboard.press('w');
    const box = await surfaceBox(page);
    await page.mouse.move(box.x + 300, box.y + 60);
    await page.keyboard.down('Control');
    for (let i = 0; i < 60; i++) await page.mouse.wheel(0, -240);
    const inner = (await stateOf(page)).window;
    expect(inner.to - inner.from).toBeCloseTo(32, 3);
    for (let i = 0; i < 80; i++) await page.mouse.wheel(0, 240);
    await page.keyboard.up('Control');
    const outer = (await stateOf(page)).window;
    expect(outer.from).toBe(0);
    expect(outer.to).toBe(Math.ceil(end * 1.02));
  });
});

describe('selecting', () => {
  it('a click selects, fills the details, tells the host and opens the source beside', async () => {
    const page = await pageOf({ packets: 3 });
    await page.locator('.surface').focus();
    await page.keyboard.press('w');
    await settle(page);
    await page.keyboard.press('Home');
    const target = await firstExit(page);
    await page.mouse.click(target.x, target.y);
    const state = await stateOf(page);
    expect(state.selection).toBe(target.row);
    expect(await called(page, 'openSource')).toEqual([[target.row, true, false]]);
    expect(
      await page.evaluate(() =>
        window.fakeHost.notices.filter((n) => n.type === 'selected').map((n) => n.row),
      ),
    ).toEqual([target.row]);
    expect(await page.locator('.details').innerText()).toContain('EPT_MISCONFIG');
    expect(await page.locator('.details .leg').count()).toBe(5);
  });

  it('keys: Enter opens, full stop goes to the next event of the lane, Esc steps back out', async () => {
    const page = await pageOf({ packets: 5 });
    await page.evaluate(() =>
      window.fakeHost.post({ type: 'reveal', row: window.fakeHost.first('exit.EPT_MISCONFIG').row }),
    );
    const first = (await stateOf(page)).selection;
    await page.locator('.surface').focus();
    await page.keyboard.press('Enter');
    expect(await called(page, 'openSource')).toEqual([[first, true, true]]);
    await page.keyboard.press('.');
    const second = (await stateOf(page)).selection;
    const name = await page.evaluate((row) => window.fakeHost.nameOf(row), second);
    expect(second).toBeGreaterThan(first);
    expect(name).toMatch(/^exit\./);
    await page.keyboard.press(',');
    expect((await stateOf(page)).selection).toBe(first);
    await page.keyboard.press('Escape');
    expect((await stateOf(page)).selection).toBe(-1);
  });

  it('a double click zooms to the event', async () => {
    const page = await pageOf({ packets: 3 });
    await page.locator('.surface').focus();
    await page.keyboard.press('w');
    await settle(page);
    await page.keyboard.press('Home');
    const target = await firstExit(page);
    await page.mouse.dblclick(target.x, target.y);
    const { window: shown } = await stateOf(page);
    const { start, duration } = await page.evaluate(() => window.fakeHost.first('exit.EPT_MISCONFIG'));
    expect(shown.to - shown.from).toBeCloseTo(duration * 1.5, 0);
    expect(shown.from).toBeLessThan(start);
  });

  it('shift+drag marks a range, Z zooms to it', async () => {
    const page = await pageOf({ packets: 10 });
    const box = await surfaceBox(page);
    await page.keyboard.down('Shift');
    await page.mouse.move(box.x + box.width * 0.25, box.y + 300);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width * 0.75, box.y + 300, { steps: 3 });
    await page.mouse.up();
    await page.keyboard.up('Shift');
    const whole = Math.ceil((await page.evaluate(() => window.fakeHost.endTime())) * 1.02);
    await page.keyboard.press('z');
    const { window: shown } = await stateOf(page);
    // As exactly as a pixel can be, or at the edge of an event near it.
    const away = (at: number, share: number): number => Math.abs(at / whole - share) * box.width;
    expect(away(shown.from, 0.25)).toBeLessThanOrEqual(SNAP);
    expect(away(shown.to, 0.75)).toBeLessThanOrEqual(SNAP);
  });
});

describe('finding', () => {
  it('goes from match to match and counts them', async () => {
    const page = await pageOf({ packets: 7 });
    await page.keyboard.press('/');
    await page.keyboard.type('kind:packet.tx');
    await page.keyboard.press('Enter');
    const first = (await stateOf(page)).selection;
    expect(await page.evaluate((row) => window.fakeHost.nameOf(row), first)).toBe('packet.tx');
    expect(await page.locator('.find-count').innerText()).toBe('1 of 7');
    await page.keyboard.press('Enter');
    expect((await stateOf(page)).selection).toBeGreaterThan(first);
  });

  it('shows what is wrong with a query where it was written', async () => {
    const page = await pageOf({ packets: 3 });
    await page.keyboard.press('/');
    await page.keyboard.type('reson:X');
    await page.keyboard.press('Enter');
    await settle(page);
    expect(await page.locator('.find-error').innerText()).toContain('reson');
    await page.keyboard.type('y');
    expect(await page.locator('.find-error').isHidden()).toBe(true);
  });
});

describe('a running trace', () => {
  it('follows its end at first, and keeps the place of a reader who has moved away', async () => {
    const page = await pageOf({ packets: 10, state: 'running' });
    const before = await page.evaluate(() => window.fakeHost.endTime());
    await page.evaluate(() => window.fakeHost.grow(20));
    await settle(page);
    await page.locator('.surface').focus();
    for (let i = 0; i < 3; i++) {
      await page.keyboard.press('w');
      await settle(page);
    }
    await page.keyboard.press('Home');
    const place = await stateOf(page);
    expect(place.follow).toBe(false);
    await page.evaluate(() => window.fakeHost.grow(50));
    const after = await stateOf(page);
    expect(after.window).toEqual(place.window);
    expect(await page.evaluate(() => window.fakeHost.endTime())).toBeGreaterThan(before);
  });

  it('opens at the event that broke an expectation, and debugs from there', async () => {
    const page = await pageOf({ packets: 5, state: 'running' });
    await page.evaluate(() => {
      const failed = { text: '1 of 2 expectations failed: packets.rx is 5, expected 6.', row: 7 };
      window.fakeHost.grow(1, 'finished', undefined, failed);
    });
    await settle(page);
    const banner = page.locator('.banner');
    expect(await banner.innerText()).toContain('packets.rx is 5, expected 6');
    const selected = await page.evaluate(() =>
      window.fakeHost.notices.filter(({ type }) => type === 'selected'),
    );
    expect(selected).toEqual([{ type: 'selected', row: 7 }]);
    await banner.locator('vscode-button').nth(1).click();
    expect(await called(page, 'debugFrom')).toEqual([[7]]);
  });

  it('says how it ended, with one step', async () => {
    const page = await pageOf({ packets: 5, state: 'running' });
    await page.evaluate(() => window.fakeHost.grow(1, 'crashed', 'vm0 crashed: triple fault'));
    await settle(page);
    const banner = page.locator('.banner');
    expect(await banner.innerText()).toContain('triple fault');
    expect(await banner.locator('vscode-button').count()).toBe(1);
  });
});

it('a page that was hidden comes back where it was', async () => {
  const page = await pageOf({ packets: 10 });
  await page.evaluate(() => window.fakeHost.post({ type: 'reveal', row: 5 }));
  await page.locator('#tab-events').click();
  await page.locator('.surface').focus();
  await page.keyboard.press('w');
  const before = await stateOf(page);
  await page.reload();
  await page.evaluate(() => window.fakeHost.start({ packets: 10, state: 'finished' }));
  const after = await stateOf(page);
  expect(after).toEqual(before);
  expect(await page.locator('.events-row.selected').count()).toBe(1);
});

it('ignores what it does not know and reports what is malformed', async () => {
  const page = await pageOf({ packets: 2 });
  await page.evaluate(() => {
    for (const message of [
      null,
      7,
      { type: 'weather' },
      { type: 'constructor' },
      { type: 'reveal', row: 'x' },
    ])
      window.fakeHost.post(message);
  });
  await settle(page);
  const failed = await page.evaluate(
    () => window.fakeHost.notices.filter((notice) => notice.type === 'failed').length,
  );
  expect(failed).toBe(1);
});

describe('a debugger that stands in the run', () => {
  /** A pixel of the time axis. */
  async function onAxis(page: Page, cycles: number): Promise<{ x: number; y: number }> {
    const box = await surfaceBox(page);
    const { window: shown } = await stateOf(page);
    return { x: box.x + ((cycles - shown.from) / (shown.to - shown.from)) * box.width, y: box.y + 6 };
  }
  async function standAt(page: Page, cycles: number): Promise<void> {
    const position = { cycles, rows: 10, stopped: true };
    await page.evaluate((at) => window.fakeHost.post({ type: 'debugger', position: at }), position);
    await settle(page);
  }

  it('is moved by its cursor, and to an event that is clicked', async () => {
    const page = await pageOf({ packets: 20 });
    const end = await page.evaluate(() => window.fakeHost.endTime());
    await standAt(page, Math.round(end / 2));
    expect(await page.locator('.banner').innerText()).toContain('debugger stands');
    const from = await onAxis(page, Math.round(end / 2));
    const to = await onAxis(page, Math.round(end / 4));
    await page.mouse.move(from.x, from.y);
    await page.mouse.down();
    await page.mouse.move(to.x, to.y, { steps: 5 });
    await page.mouse.up();
    const [[target]] = (await called(page, 'travel')) as [[{ cycles: number }]];
    const box = await surfaceBox(page);
    const { window: shown } = await stateOf(page);
    // As exactly as a pixel can be.
    expect(Math.abs(target.cycles - end / 4)).toBeLessThanOrEqual((2 * (shown.to - shown.from)) / box.width);
    const exit = await firstExit(page);
    await page.mouse.click(exit.x, exit.y);
    await settle(page);
    expect((await called(page, 'travel'))[1]).toEqual([{ row: exit.row }]);
    expect(await called(page, 'openSource')).toEqual([]);
  });

  it('can be told from the details to stop at events like one; without one a run is entered there', async () => {
    const page = await pageOf({ packets: 20 });
    await page.evaluate(() => window.fakeHost.post({ type: 'reveal', row: 1 }));
    await settle(page);
    await page.locator('.details-head .action', { hasText: 'Debug from here' }).click();
    await page.locator('.details-head .action', { hasText: 'Stop at events like this' }).click();
    expect(await called(page, 'debugFrom')).toEqual([[1]]);
    expect(await called(page, 'stopAtLike')).toEqual([[1]]);
    await standAt(page, 100);
    expect(await page.locator('.details-head').innerText()).toContain('Go here');
  });
});
