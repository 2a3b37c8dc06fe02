/** Traces that verbs have opened, and the few of them that stay open. */
import { stat } from 'node:fs/promises';
import { openTrace } from '../trace/file/file';
import { TraceFileError } from '../trace/file/error';
import { fileAccess } from '../trace/file/file-access';
import type { TraceStore } from '../trace/query/store';
import type { KeptRun, OpenedTrace } from './context';
import type { Folders } from './folders';
import { VerbError } from './verb';

/** Traces that stay open: two are compared. */
const MOST_OPEN = 4;
/** What asks for the newest run. */
export const LATEST = 'latest';
/** Ids of runs: a date and a time, and nothing that a path could be. */
const RUN_ID = /^[\w-]{1,100}$/;
const TRACE_ENDING = '.arrow';

interface Shelved {
  readonly trace: OpenedTrace;
  /** By which a file that has been written anew is told. */
  readonly stamp: string;
}

export class TraceShelf {
  private readonly open = new Map<string, Shelved>();

  constructor(
    private readonly folders: Folders,
    private readonly runs: () => Promise<readonly KeptRun[]>,
  ) {}

  /** See `VerbContext.open`. */
  async take(name: string): Promise<OpenedTrace> {
    const { file, run } = await this.find(name);
    let stamp: string;
    try {
      const found = await stat(file);
      if (!found.isFile()) throw new VerbError(`${name} is no file.`);
      stamp = `${found.mtimeMs} ${found.size} ${found.ino}`;
    } catch (error) {
      if (error instanceof VerbError) throw error;
      throw new VerbError(`The trace ${name} is no longer there.`);
    }
    const known = this.open.get(file);
    this.open.delete(file);
    if (known?.stamp === stamp) {
      this.open.set(file, known);
      return known.trace;
    }
    known?.trace.store.close();
    const trace: OpenedTrace = {
      name: run?.id ?? this.folders.nameOf(file),
      file,
      store: opened(file, name),
      run,
    };
    this.open.set(file, { trace, stamp });
    for (const [old, { trace: other }] of this.open) {
      if (this.open.size <= MOST_OPEN) break;
      this.open.delete(old);
      other.store.close();
    }
    return trace;
  }

  close(): void {
    for (const { trace } of this.open.values()) trace.store.close();
    this.open.clear();
  }

  private async find(name: string): Promise<{ file: string; run: KeptRun | undefined }> {
    if (name === LATEST) {
      const [newest] = await this.runs();
      if (newest) return { file: newest.file, run: newest };
      throw new VerbError(
        'There is no run yet: run a scenario, or give the path of a *.trapline.arrow file.',
      );
    }
    if (RUN_ID.test(name)) {
      const run = (await this.runs()).find(({ id }) => id === name);
      if (run) return { file: run.file, run };
      throw new VerbError(`No run ${name} is kept. list_traces has those that are.`);
    }
    const file = await this.folders.find(name);
    if (!file.endsWith(TRACE_ENDING))
      throw new VerbError(`${name} is no trace: its name ends in .trapline.arrow.`);
    return { file, run: undefined };
  }
}

/** @throws VerbError where the file is no trace */
function opened(file: string, name: string): TraceStore {
  try {
    return openTrace(fileAccess(file));
  } catch (error) {
    const why = error instanceof TraceFileError ? error.message : 'it cannot be opened.';
    throw new VerbError(`${name}: ${why}`);
  }
}
