/** Finished traces of earlier runs, kept on disk so that their editors survive a reload of the window. */
import { FileType, Uri, workspace } from 'vscode';
import { runScheme, traceEnding } from '../names';

/** What is kept beside a trace. */
export interface ArchivedRun {
  id: string;
  /** File name of the trace. */
  fileName: string;
  /** URI of the scenario that was run. */
  scenario: string;
  title: string;
  /** When the run ended, ISO 8601. */
  ended: string;
}

/** How many runs are kept. */
const keep = 10;

function isArchivedRun(value: unknown): value is ArchivedRun {
  if (typeof value !== 'object' || value === null) return false;
  const fields: Partial<Record<keyof ArchivedRun, unknown>> = value;
  return [fields.id, fields.fileName, fields.scenario, fields.title, fields.ended].every(
    (field) => typeof field === 'string',
  );
}

/** The URI under which a run's trace is shown, while it runs and ever after. */
export function runTraceUri(id: string, name: string): Uri {
  return Uri.from({ scheme: runScheme, path: `/${id}/${name}${traceEnding}` });
}

/** Id of the run that a `trapline-run:` URI speaks of. */
export function runIdOf(uri: Uri): string | undefined {
  const id = uri.scheme === runScheme ? uri.path.split('/')[1] : undefined;
  return id && /^[\w-]+$/.test(id) ? id : undefined;
}

/** A folder with one folder for each run: `run.json` and the trace. */
export class RunArchive {
  constructor(private readonly folder: Uri) {}

  /**
   * Keeps a finished trace, and gives up the oldest beyond the last ten.
   * @param write writes the trace to a path; the thread that holds it does so, and the extension host has nothing of the work
   */
  async save(run: ArchivedRun, write: (path: string) => Promise<void>): Promise<void> {
    const folder = Uri.joinPath(this.folder, run.id);
    await workspace.fs.createDirectory(folder);
    await write(Uri.joinPath(folder, run.fileName).fsPath);
    await workspace.fs.writeFile(
      Uri.joinPath(this.folder, run.id, 'run.json'),
      new TextEncoder().encode(JSON.stringify(run, null, 2)),
    );
    await this.trim();
  }

  /** What is known of a run; undefined when it is not kept. */
  async find(id: string): Promise<ArchivedRun | undefined> {
    try {
      const bytes = await workspace.fs.readFile(Uri.joinPath(this.folder, id, 'run.json'));
      const value: unknown = JSON.parse(new TextDecoder().decode(bytes));
      return isArchivedRun(value) ? value : undefined;
    } catch {
      return undefined;
    }
  }

  /** The trace file of a kept run. */
  traceFile(run: ArchivedRun): Uri {
    return Uri.joinPath(this.folder, run.id, run.fileName);
  }

  /** Kept runs, newest first. */
  async list(): Promise<ArchivedRun[]> {
    const runs = await Promise.all((await this.ids()).map((id) => this.find(id)));
    return runs.filter((run) => run !== undefined).sort((a, b) => b.ended.localeCompare(a.ended));
  }

  private async ids(): Promise<string[]> {
    try {
      const entries = await workspace.fs.readDirectory(this.folder);
      return entries.filter(([, type]) => type === FileType.Directory).map(([name]) => name);
    } catch {
      return []; // Nothing was ever kept here.
    }
  }

  private async trim(): Promise<void> {
    const old = (await this.list()).slice(keep);
    await Promise.all(
      old.map((run) => workspace.fs.delete(Uri.joinPath(this.folder, run.id), { recursive: true })),
    );
  }
}
