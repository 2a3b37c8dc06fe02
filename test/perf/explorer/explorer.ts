/** The explorer as a whole: its files, its index, its page. */
import { mkdtemp, rm, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import type { Figures } from '../side-by-side';
import { writeSyntheticTrace } from './generate';
import { measureIndex } from './index';
import { measureOpening } from './open';
import { measurePage } from './page';
import { measureStore } from './store';

const SIZES: readonly [name: string, events: number][] = [
  ['10M', 10_000_000],
  ['100M', 100_000_000],
];
/** Bytes of disk that an event needs while its trace is written. */
const BYTES_PER_EVENT = 30;

/** @param directory where traces may be put meanwhile */
export async function measureExplorer(
  root: string,
  directory: string,
  turns: number,
  say: (line: string) => void,
): Promise<Figures> {
  const folder = await mkdtemp(join(directory, 'explorer-'));
  const figures: Figures = {};
  try {
    const traces: [name: string, path: string][] = [];
    for (const [name, events] of SIZES) {
      const { bavail, bsize } = await statfs(folder);
      if (bavail * bsize < BYTES_PER_EVENT * events) {
        say(`explorer: there is no room on disk for ${name} events; they are left out`);
        continue;
      }
      say(`explorer: writing ${name} events`);
      const path = join(folder, `${name}.trapline.arrow`);
      const begun = performance.now();
      writeSyntheticTrace(path, events);
      figures[`explorer.write${name}.seconds`] = (performance.now() - begun) / 1000;
      traces.push([name, path]);
    }
    const [first] = traces;
    if (first) Object.assign(figures, await measureStore(first[1], turns, say));
    Object.assign(figures, measureIndex(say));
    const page = await measurePage(root, say, async (browser, files) => {
      const opened: Figures = {};
      for (const [name, path] of traces)
        Object.assign(opened, await measureOpening(root, browser, files, name, path, say));
      return opened;
    });
    return Object.assign(figures, page);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
