/** Nothing on the page shuts a reader out, in any theme. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Harness, settle } from './harness';

interface Axe {
  run(): Promise<{ violations: { id: string; impact: string; nodes: { html: string }[] }[] }>;
}

let harness: Harness;
beforeAll(async () => {
  harness = await Harness.start();
});
afterAll(() => harness?.stop());

it.each(['dark', 'light', 'hc-dark', 'hc-light'] as const)(
  'has no serious violation in any tab of %s',
  async (theme) => {
    const { page, problems } = await harness.open({ packets: 20 }, theme);
    await page.evaluate(() => window.fakeHost.post({ type: 'reveal', row: 1 }));
    await page.evaluate(readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8'));
    for (const tab of ['details', 'chain', 'path', 'operations', 'statistics', 'translations', 'events']) {
      await page.locator(`#tab-${tab}`).click();
      await settle(page);
      const serious = await page.evaluate(async () => {
        const { axe } = window as unknown as { axe: Axe };
        const { violations } = await axe.run();
        return violations
          .filter(({ impact }) => impact === 'serious' || impact === 'critical')
          .map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 160)).join(' | ')}`);
      });
      expect(serious, tab).toEqual([]);
    }
    expect(problems).toEqual([]);
    await page.close();
  },
);
