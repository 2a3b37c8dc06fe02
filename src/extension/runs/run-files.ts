/** Traces of this window's runs, and of kept ones, as read-only files: `trapline-run:/<id>/<name>.trapline.arrow`. */
import { EventEmitter, FileSystemError, FileType, workspace } from 'vscode';
import type { Disposable, FileChangeEvent, FileStat, FileSystemProvider, Uri } from 'vscode';
import { runIdOf, type RunArchive } from './run-archive';
import type { RunService } from './run-service';

/** The file system behind the trace editors of runs. Reading a trace that is still growing gives what there is so far. */
export class RunFiles implements FileSystemProvider {
  private readonly changed = new EventEmitter<FileChangeEvent[]>();
  readonly onDidChangeFile = this.changed.event;

  constructor(
    private readonly runs: RunService,
    private readonly archive: RunArchive,
  ) {}

  async readFile(uri: Uri): Promise<Uint8Array> {
    const id = runIdOf(uri);
    const kept = id === undefined ? undefined : await this.archive.find(id);
    if (kept) return workspace.fs.readFile(this.archive.traceFile(kept));
    const trace = id === undefined ? undefined : this.runs.session(id)?.trace;
    if (!trace) throw FileSystemError.FileNotFound(uri);
    return trace.bytes();
  }

  async stat(uri: Uri): Promise<FileStat> {
    const id = runIdOf(uri);
    if (id === undefined) return { type: FileType.Directory, ctime: 0, mtime: 0, size: 0 };
    const kept = await this.archive.find(id);
    if (kept) return workspace.fs.stat(this.archive.traceFile(kept));
    // A growing trace has no size yet; to say one, it would have to be written out whole at every question.
    if (this.runs.session(id)?.trace) return { type: FileType.File, ctime: 0, mtime: 0, size: 0 };
    throw FileSystemError.FileNotFound(uri);
  }

  watch(): Disposable {
    return { dispose: () => undefined };
  }

  readDirectory(uri: Uri): never {
    throw FileSystemError.NoPermissions(uri);
  }

  createDirectory(uri: Uri): never {
    throw FileSystemError.NoPermissions(uri);
  }

  writeFile(uri: Uri): never {
    throw FileSystemError.NoPermissions(uri);
  }

  delete(uri: Uri): never {
    throw FileSystemError.NoPermissions(uri);
  }

  rename(uri: Uri): never {
    throw FileSystemError.NoPermissions(uri);
  }
}
