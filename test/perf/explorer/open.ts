/** How fast a trace file opens: from the command to lanes on screen, through the thread that holds it, and what the host does meanwhile. */
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { Browser } from 'playwright-core';
import { TraceClient } from '../../../src/extension/trace-service/trace-client';
import type { TraceView } from '../../../src/extension/trace-service/trace-view';
import { emptyMeta } from '../../../src/trace/query/store';
import { packed } from '../../webview/perf/packed-answer';
import type { Figures } from '../side-by-side';
import { openPage, type Files } from './page';

const GESTURES = 90;
const NANOSECONDS = 1e6;

/** The host of one page: a trace in a thread of its own, as in the editor. */
class Host {
  private client: TraceClient | undefined;

  constructor(private readonly distDir: string) {}

  async answer(method: string, args: readonly unknown[]): Promise<unknown> {
    if (method === 'open') return this.open(String(args[0]));
    const known = this.client?.[method as keyof TraceView];
    return typeof known === 'function'
      ? (known as (...args: readonly unknown[]) => unknown)(...args)
      : undefined;
  }

  private async open(path: string): Promise<unknown> {
    this.client = new TraceClient(this.distDir, { from: 'file', path }, emptyMeta('', 1));
    await this.client.opened;
    const { meta, rows, endTime } = this.client;
    return { type: 'init', meta, rows, endTime, bookmarks: [] };
  }

  close(): void {
    this.client?.dispose();
  }
}

/**
 * @param name of the size, for the figures
 * @param path of the file
 */
export async function measureOpening(
  root: string,
  browser: Browser,
  files: Files,
  name: string,
  path: string,
  say: (line: string) => void,
): Promise<Figures> {
  const page = await openPage(browser, files, ['file-stand-in', 'main']);
  const host = new Host(join(root, 'dist'));
  let isOver = false;
  await page.route('**/host', async (route) => {
    const { method, args } = JSON.parse(route.request().postData() ?? '') as {
      method: string;
      args: unknown[];
    };
    try {
      await route.fulfill({ body: Buffer.from(packed(await host.answer(method, args))) });
    } catch (error) {
      // An answer that is under way when the page is closed has nobody to go to.
      if (!isOver) throw error;
    }
  });
  try {
    const delay = monitorEventLoopDelay({ resolution: 1 });
    delay.enable();
    const firstPaint = await page.evaluate<number>(`fileBench.open(${JSON.stringify(path)})`);
    const frame = await page.evaluate<Record<'p50' | 'p95' | 'longest', number>>(
      `fileBench.gestures(${GESTURES})`,
    );
    delay.disable();
    const longestAnswer = await page.evaluate<number>('fileBench.longestAnswer()');
    const hostTask = delay.max / NANOSECONDS;
    say(
      `explorer: file of ${name}: first paint ${firstPaint.toFixed(0)} ms, frame p95 ${frame.p95.toFixed(1)} ms, ` +
        `longest answer ${(longestAnswer / 1024).toFixed(0)} KiB, longest task of the host ${hostTask.toFixed(1)} ms`,
    );
    return {
      [`explorer.open${name}.firstPaintMs`]: firstPaint,
      [`explorer.open${name}.frameP95Ms`]: frame.p95,
      [`explorer.open${name}.hostTaskMs`]: hostTask,
      [`explorer.open${name}.replyKiB`]: longestAnswer / 1024,
    };
  } finally {
    isOver = true;
    host.close();
    await page.close();
  }
}
