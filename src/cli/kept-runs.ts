/** Runs that agents have asked for, kept on disk: a folder for each with its trace and what is known of it. */
import { createHash } from 'node:crypto';
import { mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { z } from 'zod';
import type { TraceStore } from '../trace/query/store';
import type { KeptRun } from '../verbs/context';

/** Runs that are kept of one folder. */
const MOST_RUNS = 10;
const RUN_FILE = 'run.json';
const SCENARIO_ENDING = /\.trapline\.json$/;

/** What `run.json` holds. */
const runSchema = z.object({
  scenario: z.string(),
  title: z.string(),
  ended: z.string(),
  fileName: z.string(),
});

export class KeptRuns {
  private readonly folder: string;
  private latest = '';

  /**
   * @param cacheDir where Trapline keeps what can be made again
   * @param root the folder whose runs these are: those of another are not told of
   * @param write writes a trace to a path
   */
  constructor(
    cacheDir: string,
    root: string,
    private readonly write: (file: string, store: TraceStore) => Promise<void>,
  ) {
    this.folder = join(cacheDir, 'runs', createHash('sha256').update(root).digest('hex').slice(0, 16));
  }

  /** Newest first. */
  async list(): Promise<KeptRun[]> {
    const ids = await readdir(this.folder).catch((): string[] => []);
    const runs = await Promise.all(ids.map((id) => this.find(id)));
    return runs.filter((run) => run !== undefined).sort((x, y) => (x.id < y.id ? 1 : -1));
  }

  /** Keeps a run that has ended, and gives up the oldest beyond as many as are kept. */
  async keep(scenario: string, store: TraceStore): Promise<KeptRun> {
    const ended = new Date();
    const id = this.newId(ended);
    const folder = join(this.folder, id);
    const fileName = `${basename(scenario).replace(SCENARIO_ENDING, '')}.trapline.arrow`;
    const title = store.meta.title;
    await mkdir(folder, { recursive: true });
    const file = join(folder, fileName);
    await this.write(file, store);
    await writeFile(
      join(folder, RUN_FILE),
      JSON.stringify({ scenario, title, ended: ended.toISOString(), fileName }),
    );
    const old = (await this.list()).slice(MOST_RUNS);
    await Promise.all(old.map((run) => rm(join(this.folder, run.id), { recursive: true, force: true })));
    return { id, file, scenario, title, ended: ended.toISOString() };
  }

  private async find(id: string): Promise<KeptRun | undefined> {
    try {
      const { fileName, ...rest } = runSchema.parse(
        JSON.parse(await readFile(join(this.folder, id, RUN_FILE), 'utf8')),
      );
      return { id, file: join(this.folder, id, basename(fileName)), ...rest };
    } catch {
      // A run that is being written, or was given up meanwhile.
      return undefined;
    }
  }

  /** The time in UTC, as the editor names its runs: `2026-11-22_16-49-19-640`. */
  private newId(time: Date): string {
    const id = time.toISOString().replace('T', '_').replace(/[:.]/g, '-').replace('Z', '');
    this.latest = id === this.latest.slice(0, id.length) ? `${this.latest}-2` : id;
    return this.latest;
  }
}
