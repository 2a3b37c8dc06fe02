/** Finished traces of earlier runs, kept on disk so that their editors survive a reload of the window. */
import { open } from 'node:fs/promises';
import { EventEmitter, FileType, Uri, workspace, type Disposable } from 'vscode';
import { runScheme, traceEnding } from '../names';
import { archivedRun, type ArchivedRun } from './run-record';

/** The URI under which a run's trace is shown, while it runs and ever after. */
export function runTraceUri(id: string, name: string): Uri {
  return Uri.from({ scheme: runScheme, path: `/${id}/${name}${traceEnding}` });
}

/** Id of the run that a `trapline-run:` URI speaks of. */
export function runIdOf(uri: Uri): string | undefined {
  const id = uri.scheme === runScheme ? uri.path.split('/')[1] : undefined;
  return id && /^[\w-]+$/.test(id) ? id : undefined;
}

function* piecesOf(parts: Iterable<Uint8Array[]>): Generator<Uint8Array> {
  for (const part of parts) yield* part;
}

/** A folder with one folder for each run: `run.json` and the trace. */
export class RunArchive implements Disposable {
  private readonly changedEmitter = new EventEmitter<void>();
  /** A run is kept that was not before, or is no longer. */
  readonly onDidChange = this.changedEmitter.event;

  /** @param keep how many runs are kept; asked anew at each */
  constructor(
    private readonly folder: Uri,
    private readonly keep: () => number,
  ) {}

  dispose(): void {
    this.changedEmitter.dispose();
  }

  /**
   * Keeps a finished trace, and gives up the oldest beyond as many as are kept. The trace comes in parts, written one after the
   * other, so that a long one is neither held in memory twice nor keeps the extension host from its work.
   */
  async save(run: ArchivedRun, parts: Iterable<Uint8Array[]>): Promise<void> {
    const folder = Uri.joinPath(this.folder, run.id);
    await workspace.fs.createDirectory(folder);
    const file = await open(Uri.joinPath(folder, run.fileName).fsPath, 'w');
    try {
      for (const piece of piecesOf(parts)) await file.writeFile(piece);
    } finally {
      await file.close();
    }
    await workspace.fs.writeFile(
      Uri.joinPath(this.folder, run.id, 'run.json'),
      new TextEncoder().encode(JSON.stringify(run, null, 2)),
    );
    await this.trim();
    this.changedEmitter.fire();
  }

  /** Gives up runs; those that are not kept anyhow are passed over. */
  async delete(ids: readonly string[]): Promise<void> {
    const kept = new Set(await this.ids());
    await this.remove(ids.filter((id) => kept.has(id)));
    this.changedEmitter.fire();
  }

  /** What is known of a run; undefined when it is not kept. */
  async find(id: string): Promise<ArchivedRun | undefined> {
    try {
      const bytes = await workspace.fs.readFile(Uri.joinPath(this.folder, id, 'run.json'));
      const run = archivedRun(JSON.parse(new TextDecoder().decode(bytes)));
      return run?.id === id ? run : undefined;
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
    const old = (await this.list()).slice(this.keep());
    await this.remove(old.map(({ id }) => id));
  }

  private async remove(ids: readonly string[]): Promise<void> {
    await Promise.all(
      ids.map((id) => workspace.fs.delete(Uri.joinPath(this.folder, id), { recursive: true })),
    );
  }
}
