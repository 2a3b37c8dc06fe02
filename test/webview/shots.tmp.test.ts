import { afterAll, beforeAll, it } from 'vitest';
import { Harness, picture, settle } from './harness';
let harness: Harness;
beforeAll(async () => { harness = await Harness.start(); });
afterAll(() => harness?.stop());
it('shots', async () => {
  for (const [theme, size] of [['dark', { width: 1400, height: 900 }], ['light', { width: 900, height: 600 }], ['hc-dark', { width: 900, height: 600 }]] as const) {
    const open = await harness.open({ packets: 40 }, theme, size);
    const { page } = open;
    const { row } = await page.evaluate(() => window.fakeHost.first('exit.EPT_MISCONFIG'));
    await page.evaluate((at) => window.fakeHost.post({ type: 'reveal', row: at }), row);
    await settle(page);
    for (const tab of ['chain', 'path', 'operations', 'statistics']) {
      await page.locator(`#tab-${tab}`).click();
      await settle(page);
      await picture(page, `c-${tab}-${theme}-${size.width}`);
      if (tab === 'statistics') {
        await page.locator('.view.statistics').evaluate((e) => { e.scrollTop = 330; });
        await settle(page);
        await picture(page, `c-${tab}2-${theme}-${size.width}`);
        await page.locator('.view.statistics').evaluate((e) => { e.scrollTop = 1e5; });
        await settle(page);
        await picture(page, `c-${tab}3-${theme}-${size.width}`);
      }
    }
    console.log(theme, open.problems);
    await page.close();
  }
}, 200000);
