/** Threads, stacks and scopes: the vCPUs and where they stand. */
import type { DebugProtocol } from '@vscode/debugprotocol';
import { basename } from 'node:path';
import type { Handlers, SessionContext } from './context';
import { cpuName, threadOf } from './debuggee';
import { RequestError, wholeNumber } from './errors';
import type { Listings } from './disassembly/listings';
import { Handles } from './handles';
import { hexAddress } from './breakpoints';
import type { Frame } from './language';
import type { Variables } from './variables';

/** Frames that a client is given without asking for a number of them. */
const DEFAULT_LEVELS = 200;
/** A stack that never ends is told this far. */
const MOST_FRAMES = 2_000;

const ACTIVITIES = { running: '', halted: ' (halted)', waiting: ' (waits to be started)' } as const;

/** A frame of the client's stack: one of the program, or the line between a handler and what it interrupted. */
type Row = { readonly frame: Frame } | { readonly interrupted: Frame };

export class Stack {
  private readonly frames = new Handles<Frame>('frame');
  private readonly rows = new Map<number, readonly Row[]>();

  constructor(
    private readonly context: SessionContext,
    private readonly variables: Variables,
    private readonly listings: Listings,
  ) {}

  readonly handlers: Handlers = {
    threads: () => ({ body: { threads: this.threads() } }),
    stackTrace: (args: DebugProtocol.StackTraceArguments) => ({ body: this.stackTrace(args) }),
    scopes: ({ frameId }: DebugProtocol.ScopesArguments) => ({
      body: { scopes: this.variables.scopesOf(this.frames.get(frameId)) },
    }),
  };

  /** The run has moved. */
  clear(): void {
    this.frames.clear();
    this.rows.clear();
  }

  /** vCPU of a thread. @throws RequestError where there is none of that number */
  cpuOf(threadId: unknown): number {
    const { cpus } = this.context.debuggee.control;
    const cpu = wholeNumber(threadId, 'A thread', 1) - 1;
    if (cpu >= cpus.length)
      throw new RequestError(`There is no thread ${cpu + 1}: the run has ${cpus.length} vCPUs.`);
    return cpu;
  }

  /** Frame of an id; without one the innermost of a vCPU. @throws RequestError */
  frameOf(frameId: number | undefined, cpu: number): Frame {
    if (frameId !== undefined) return this.frames.get(frameId);
    const { language, control } = this.context.debuggee;
    const [frame] = language.frames(control, cpu, 1);
    if (!frame) throw new RequestError('The vCPU stands nowhere: it has no frame.');
    return frame;
  }

  private threads(): DebugProtocol.Thread[] {
    const { debuggee } = this.context;
    return debuggee.control.cpus.map(({ index }) => ({
      id: threadOf(index),
      name: `${cpuName(debuggee, index)}${ACTIVITIES[debuggee.control.registers(index).activity]}`,
    }));
  }

  private stackTrace({ threadId, startFrame = 0, levels }: DebugProtocol.StackTraceArguments) {
    const rows = this.rowsOf(this.cpuOf(threadId));
    const first = wholeNumber(startFrame, 'The first frame');
    const count = wholeNumber(levels ?? 0, 'The number of frames') || DEFAULT_LEVELS;
    const stackFrames = rows.slice(first, first + count).map((row) => this.shown(row));
    return { stackFrames, totalFrames: rows.length };
  }

  private rowsOf(cpu: number): readonly Row[] {
    const known = this.rows.get(cpu);
    if (known) return known;
    const { language, control } = this.context.debuggee;
    const rows = language
      .frames(control, cpu, MOST_FRAMES)
      .flatMap((frame): Row[] =>
        frame.kind === 'interrupted' ? [{ interrupted: frame }, { frame }] : [{ frame }],
      );
    this.rows.set(cpu, rows);
    return rows;
  }

  private shown(row: Row): DebugProtocol.StackFrame {
    if ('interrupted' in row) {
      const id = this.frames.add(row.interrupted);
      const name = `Interrupt before ${hexAddress(row.interrupted.pc)}`;
      return { id, name, line: 0, column: 0, presentationHint: 'label' };
    }
    const { frame } = row;
    const { place } = frame;
    const listed = place ? undefined : this.listings.placeOf(frame);
    const id = this.frames.add(frame);
    return {
      id,
      name: frame.kind === 'inlined' ? `${frame.name} (inlined)` : frame.name,
      line: this.lineOf(place ?? listed),
      column: place && place.column > 0 ? this.context.toClientColumn(place.column) : 0,
      instructionPointerReference: hexAddress(frame.pc),
      ...(place
        ? { source: { name: basename(place.file), path: place.file } }
        : { ...(listed && { source: listed.source }), presentationHint: 'subtle' as const }),
      ...(frame.program && { moduleId: frame.program.vm }),
    };
  }

  private lineOf(place: { readonly line: number } | undefined): number {
    return place ? this.context.toClientLine(place.line) : 0;
  }
}
