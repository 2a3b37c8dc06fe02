/** The world outside the commands, for tests: keeps what is printed and written, and runs what the test tells it to. */
import type { RunEnd, RunListener } from '../../../src/protocol/run';
import type { Problem } from '../../../src/protocol/problem';
import type { CliHost } from '../../../src/cli/host';
import type { GdbServerOptions, GdbSessionEnd } from '../../../src/debug/gdb/server';
import type { FrameBatch } from '../../../src/trace/exchange/frames';
import { exitKind } from '../../../src/trace/vocabulary/events';
import type { TraceDelta, TraceMeta } from '../../../src/trace/model';
import type { TraceStore } from '../../../src/trace/query/store';
import { emptyMeta } from '../../../src/trace/query/store';
import type { Summary } from '../../../src/trace/query/summary';
import { sampleSummary } from '../scenario/summary-sample';

/** What a fake run does. */
export interface FakeRun {
  meta: TraceMeta;
  summary: Summary;
  /** Printed by VM 0, piece by piece. */
  serial: string[];
  /** Handed out when they are asked for. */
  frames?: FrameBatch[];
  /** Rejects with this instead of ending. */
  failure?: string;
  /** Goes on until it is cancelled. */
  endless?: boolean;
}

/** A run that ends well. */
export function fakeRun(changes: Partial<FakeRun> = {}): FakeRun {
  const meta: TraceMeta = {
    ...emptyMeta('A sample', 2.9e9),
    state: 'finished',
    traceHash: '0123456789abcdef',
    facts: { cycles: 2_900_000, vms: [{ name: 'vm0', guestInstructions: 5, exitCode: 0 }] },
  };
  return { meta, summary: sampleSummary(), serial: [], ...changes };
}

function nothing(): TraceDelta {
  const none = new Uint32Array(0);
  const patches = { row: none, duration: none, a: none, b: none };
  return { chunks: [], patches, open: none, tracks: [], places: [] };
}

/** A host whose effects can be looked at. */
export class FakeHost implements CliHost {
  stdout = '';
  stderr = '';
  cwd = '/home/ada';
  version = '1.2.3';
  terminal?: CliHost['terminal'];
  colours = false;
  environment = { distDir: '/dist', kitDir: '/kit', cacheDir: '/cache', compiler: '' };
  readonly files = new Map<string, string>();
  readonly traces = new Map<string, TraceStore>();
  /** Files that were finished. */
  readonly written = new Map<string, Uint8Array>();
  readonly calls: string[] = [];
  problems: Problem[] = [];
  run = fakeRun();
  /** Of every scenario that is run. */
  scenarioText = '';
  unwritable = false;
  diskFull = false;
  /** Set by a command that can be interrupted. */
  interrupt: () => void = () => undefined;
  /** Called when the run has been started. */
  whenStarted: () => void = () => undefined;

  out(text: string): void {
    this.stdout += text;
  }
  err(text: string): void {
    this.stderr += text;
  }

  readText(file: string): Promise<string> {
    const text = this.files.get(file);
    return text === undefined
      ? Promise.reject(new Error(`cannot read ${file}: gone`))
      : Promise.resolve(text);
  }
  async *readPieces(file: string | undefined): AsyncGenerator<Uint8Array> {
    yield new TextEncoder().encode(await this.readText(file ?? '-'));
  }
  checkWritable(file: string): Promise<void> {
    return this.unwritable ? Promise.reject(new Error(`cannot write ${file}`)) : Promise.resolve();
  }
  createFile: CliHost['createFile'] = (file) => {
    let text = new Uint8Array(0);
    return {
      write: (bytes) => {
        if (this.diskFull) return Promise.reject(new Error(`cannot write ${file}: the disk is full`));
        text = Uint8Array.from([...text, ...bytes]);
        return Promise.resolve();
      },
      finish: () => {
        this.written.set(file, text);
        return Promise.resolve();
      },
      abandon: () => Promise.resolve(),
    };
  };
  writeTrace(file: string, store: TraceStore): Promise<void> {
    if (this.diskFull) return Promise.reject(new Error(`cannot write ${file}: the disk is full`));
    this.traces.set(file, store);
    return Promise.resolve();
  }
  readTrace(file: string): Promise<TraceStore> {
    const store = this.traces.get(file);
    return store ? Promise.resolve(store) : Promise.reject(new Error(`${file}: no trace`));
  }
  serveDebugger(): Promise<void> {
    this.calls.push('debugger');
    return Promise.resolve();
  }
  serveMcp: CliHost['serveMcp'] = ({ folder, allowsRun }) => {
    this.calls.push(`mcp ${folder}${allowsRun ? ', runs allowed' : ''}`);
    return Promise.resolve();
  };
  serveGdb(options: GdbServerOptions): Promise<GdbSessionEnd> {
    this.calls.push(`gdbserver ${options.vm} ${options.port}`);
    options.listening(options.port, ['vm0'], undefined);
    options.serial(0, 'hello\n');
    return Promise.resolve({ exitCode: this.run.meta.facts.vms[0]?.exitCode ?? 0 });
  }
  onInterrupt(listener: () => void): () => void {
    this.interrupt = listener;
    return () => {
      this.calls.push('unhooked');
      this.interrupt = () => undefined;
    };
  }

  /** Paths as the scenario names them. */
  missing: string[] = [];
  missingFiles: CliHost['missingFiles'] = (_text, file, { vms }) =>
    Promise.resolve(
      vms.flatMap(({ guest }): Problem[] =>
        ('sources' in guest ? guest.sources : 'elf' in guest ? [guest.elf] : [])
          .filter((path) => this.missing.includes(path))
          .map((path) => ({
            file,
            line: 1,
            column: 1,
            severity: 'error',
            message: `${path} does not exist`,
            source: 'scenario',
          })),
      ),
    );

  prepareRun: CliHost['prepareRun'] = (options) => {
    this.calls.push(`prepare ${options.file} with ${options.compiler || 'any compiler'}`);
    options.log?.('compiling');
    const errors = this.problems.some(({ severity }) => severity === 'error');
    if (errors) return Promise.resolve({ ok: false, problems: this.problems });
    const job = {
      scenarioFile: options.file,
      scenarioText: this.scenarioText,
      guests: [{ elf: new Uint8Array(), elfFile: '/home/ada/guest.elf' }],
      core: new Uint8Array(),
    };
    return Promise.resolve({ ok: true, job, problems: this.problems });
  };

  startRun: CliHost['startRun'] = (job, _environment, listener) => {
    this.calls.push(`start ${job.scenarioFile}`);
    let cancel: () => void = () => undefined;
    const cancelled = new Promise<void>((resolve) => (cancel = resolve));
    return {
      cancel: () => {
        this.calls.push('cancel');
        cancel();
      },
      ended: this.play(listener, cancelled, job.handsOutFrames === true),
    };
  };

  private async play(listener: RunListener, cancelled: Promise<void>, withFrames: boolean): Promise<RunEnd> {
    const { meta, summary, serial, failure, endless, frames = [] } = this.run;
    await Promise.resolve();
    listener.started({ ...meta, state: 'running' });
    for (const text of serial) listener.serial(0, text);
    if (withFrames) {
      this.calls.push('frames');
      for (const batch of frames) await listener.frames?.(batch);
    }
    this.whenStarted();
    if (endless === true) {
      await cancelled;
      return { meta: { ...meta, state: 'cancelled' }, summary };
    }
    if (failure !== undefined) {
      void listener.delta(nothing(), {
        cycles: 5_000_000,
        guestInstructions: 9,
        events: 0,
        exits: 3,
        counts: [[0, exitKind(12), 3]],
        gaps: [],
      });
      throw new Error(failure);
    }
    return { meta, summary };
  }
}
