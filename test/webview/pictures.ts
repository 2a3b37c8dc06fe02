/**
 * Takes pictures of the page in every theme, size and state for a person to look at.
 */
import type { Harness } from './harness';
import { picture, settle, type OpenPage } from './harness';
import type { ThemeName } from './themes';

async function selectChain({ page }: OpenPage): Promise<void> {
  const row = await page.evaluate(() => window.fakeHost.first('exit.EPT_MISCONFIG').row);
  await page.evaluate((at) => window.fakeHost.post({ type: 'reveal', row: at }), row);
  await settle(page);
}

/** Two cursors, a bookmark, folded idle time, times in cycles. */
async function measure({ page, problems }: OpenPage): Promise<void> {
  await selectChain({ page, problems });
  await page.locator('.surface').focus();
  for (const key of ['1', '2', 'i', 't', 'm']) await page.keyboard.press(key);
  await page.keyboard.type('first store');
  await page.keyboard.press('Enter');
  await page.locator('.surface').focus();
  await settle(page);
}

/** Takes all pictures, or those whose name contains `only`. */
export async function takePictures(harness: Harness, only = ''): Promise<string[]> {
  const problems: string[] = [];
  const take = async (
    name: string,
    packets: number,
    theme: ThemeName,
    size: [number, number],
    act?: (open: OpenPage) => Promise<void>,
    setup: object = {},
  ): Promise<void> => {
    if (!name.includes(only)) return;
    const open = await harness.open({ packets, ...setup }, theme, { width: size[0], height: size[1] });
    await act?.(open);
    await picture(open.page, name);
    problems.push(...open.problems.map((problem) => `${name}: ${problem}`));
    await open.page.close();
  };
  const big: [number, number] = [1400, 900];
  const small: [number, number] = [900, 600];
  for (const theme of ['dark', 'light', 'hc-dark', 'hc-light'] as const) {
    await take(`chain-${theme}-1400`, 8, theme, big, selectChain);
    await take(`chain-${theme}-900`, 8, theme, small, selectChain);
    await take(`dense-${theme}-1400`, 3000, theme, big);
    await take(`dense-${theme}-900`, 400, theme, small);
    await take(`marks-${theme}-1400`, 5, theme, big, measure);
  }
  const tab =
    (name: string) =>
    async (open: OpenPage): Promise<void> => {
      await selectChain(open);
      await open.page.locator(`#tab-${name}`).click();
      await settle(open.page);
    };
  for (const name of ['chain', 'path', 'operations', 'statistics', 'translations', 'events']) {
    await take(`tab-${name}-dark-1400`, 40, 'dark', big, tab(name));
    await take(`tab-${name}-light-900`, 40, 'light', small, tab(name));
  }
  await take('one-dark-1400', 1, 'dark', big, async ({ page }) => {
    await page.mouse.move(700, 190);
    await settle(page);
  });
  await take('state-loading', 0, 'dark', small, undefined, { silent: true });
  await take('state-empty', 0, 'dark', small);
  await take('state-running', 30, 'dark', small, undefined, { state: 'running' });
  await take('state-crashed', 10, 'light', small, undefined, {
    state: 'crashed',
    message: 'vm0 crashed: triple fault at 0x1040 in e1000_interrupt (e1000.c:201)',
  });
  await take('state-truncated', 10, 'dark', small, undefined, { state: 'truncated' });
  const keys =
    (...all: string[]) =>
    async (open: OpenPage): Promise<void> => {
      await selectChain(open);
      await open.page.locator('.surface').focus();
      for (const key of all) await open.page.keyboard.press(key);
      await settle(open.page);
    };
  /** A lane of a query with the pointer on it, and the pointer's sentence at the right edge. */
  const queryLane = async (open: OpenPage): Promise<void> => {
    await selectChain(open);
    await open.page.keyboard.press('/');
    await open.page.keyboard.type('exit:EPT_MISCONFIG reg:TDT ');
    await open.page.keyboard.press('Control+Enter');
    await settle(open.page);
    await open.page.locator('.gutter-lane', { hasText: 'EPT_MISCONFIG' }).hover();
    await settle(open.page);
  };
  for (const [theme, size] of [
    ['dark', big],
    ['light', small],
    ['hc-dark', small],
    ['hc-light', big],
  ] as const) {
    const suffix = `${theme}-${size[0]}`;
    await take(`help-${suffix}`, 10, theme, size, keys('?'));
    await take(`lane-menu-${suffix}`, 10, theme, size, keys('l'));
    await take(`bookmark-${suffix}`, 10, theme, size, keys('m'));
    await take(`query-lane-${suffix}`, 10, theme, size, queryLane);
    await take(`completions-${suffix}`, 10, theme, size, async ({ page }) => {
      await page.keyboard.press('/');
      await page.keyboard.type('exit:');
      await settle(page);
      await page.keyboard.press('ArrowDown');
    });
  }
  await take('find-error-dark', 10, 'dark', small, async ({ page }) => {
    await page.keyboard.press('/');
    await page.keyboard.type('reson:EPT');
    await page.keyboard.press('Enter');
    await settle(page);
  });
  return problems;
}
