/** Finding: help with writing a query, the list in step with the timeline, and lanes of queries. */
import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { Harness, settle, stateOf, type OpenPage, type Setup } from './harness';

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

/** Writes into the find box as a reader does. */
async function write(page: Page, text: string): Promise<void> {
  await page.locator('.surface').focus();
  await page.keyboard.press('/');
  await page.keyboard.type(text);
}

it('the find box completes what is written, by keys and by mouse', async () => {
  const page = await pageOf({ packets: 7 });
  await write(page, 'exit:EP');
  // Before that the list may be that of a shorter text, of which nothing is taken.
  await settle(page);
  await page.locator('.completion', { hasText: 'EPT_MISCONFIG' }).waitFor();
  await page.keyboard.press('Tab');
  await page.keyboard.type('du');
  await settle(page);
  await page.locator('.completion', { hasText: 'dur>' }).waitFor();
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Enter');
  await page.keyboard.type('1ns fn:');
  const choices = page.locator('.completion');
  await choices.first().waitFor();
  await settle(page);
  const label = await choices.first().locator('.completion-label').innerText();
  await choices.first().click();
  await settle(page);
  expect((await stateOf(page)).query.trim()).toBe(`exit:EPT_MISCONFIG dur>1ns fn:${label}`);
  expect(await page.locator('.completions').isHidden()).toBe(true);
  await page.keyboard.press('Escape');
  expect((await stateOf(page)).query).toBe('');
});

it('the list shows what the find box matches, leads the timeline, and follows it', async () => {
  const page = await pageOf({ packets: 300 });
  await page.locator('#tab-events').click();
  await write(page, 'kind:packet.tx');
  await settle(page);
  await page.locator('.events-bar', { hasText: '300 events match' }).waitFor();
  await page.locator('.events-body .events-row', { hasText: 'packet.tx' }).first().waitFor();
  // To the timeline: the row that is chosen is selected and in the window.
  await page.locator('.surface').focus();
  for (let i = 0; i < 4; i++) await page.keyboard.press('w');
  await settle(page);
  const row = page.locator('.events-body .events-row').nth(1);
  await row.click();
  await settle(page);
  const { selection, window: shown } = await stateOf(page);
  const start = await page.evaluate((at) => window.fakeHost.startOf(at), selection);
  expect(start).toBeGreaterThanOrEqual(shown.from);
  expect(start).toBeLessThanOrEqual(shown.to);
  // From the timeline: the list moves to the event that is selected elsewhere.
  const last = await page.evaluate(() => window.fakeHost.rows() - 1);
  await page.evaluate((at) => window.fakeHost.post({ type: 'reveal', row: at }), last);
  await page.locator('.events-row.selected, .events-row.near').first().waitFor();
  await settle(page);
  const marked = page.locator('.events-row.selected, .events-row.near').first();
  const box = await marked.boundingBox();
  const grid = await page.locator('.events-grid').boundingBox();
  expect(box && grid && box.y >= grid.y && box.y + box.height <= grid.y + grid.height + 1).toBe(true);
});

it('a query becomes a lane, which can be renamed and removed, and is kept', async () => {
  const page = await pageOf({ packets: 40 });
  const kept = (): Promise<unknown> =>
    page.evaluate(
      () => window.fakeHost.calls.filter(({ method }) => method === 'keepQueryLanes').at(-1)?.args,
    );
  await write(page, 'exit: ');
  await page.keyboard.press('Control+Enter');
  await settle(page);
  // Not a query yet: nothing was made, and the reader is told.
  expect(await page.locator('.find-error').innerText()).toContain('exit:*');
  await page.keyboard.press('Control+A');
  await page.keyboard.type('kind:packet.tx ');
  await page.keyboard.press('Control+Enter');
  await settle(page);
  const lane = page.locator('.gutter-lane', { hasText: 'kind:packet.tx' });
  expect(await lane.count()).toBe(1);
  expect(await kept()).toEqual([[{ id: 'query/1', label: 'kind:packet.tx', query: 'kind:packet.tx' }]]);
  const asked = await page.evaluate(() =>
    window.fakeHost.calls.some(
      ({ method, args }) =>
        method === 'viewport' && JSON.stringify(args).includes('"query":"kind:packet.tx"'),
    ),
  );
  expect(asked).toBe(true);
  await lane.hover();
  await page.getByRole('button', { name: 'Rename (F2): kind:packet.tx' }).click();
  await page.keyboard.type('sent');
  await page.keyboard.press('Enter');
  await settle(page);
  expect(await kept()).toEqual([[{ id: 'query/1', label: 'sent', query: 'kind:packet.tx' }]]);
  await page.locator('.gutter-lane', { hasText: 'sent' }).hover();
  await page.getByRole('button', { name: 'Remove (Delete): sent' }).click();
  await settle(page);
  expect(await page.locator('.gutter-heading', { hasText: 'Queries' }).count()).toBe(0);
  expect(await kept()).toEqual([[]]);
});
