/**
 * A run that ended badly: where the last good instruction was, and in one paragraph what came of it. A guest may fault so that
 * its processor gives up (a triple fault), or its own last handler may end it.
 */
import { Kind } from '../trace/vocabulary/events';
import { vectorName } from '../machine/x86/fault-report';
import { Reg } from '../machine/x86/types';
import type { RegisterFile, RunControl, Stop } from '../run/control/control';
import { cpuName, programOf, type Debuggee } from './debuggee';
import { describeRow } from './describe-row';
import { DebugError } from './frames/errors';
import type { Frame } from './language';
import type { Motor, OwnPoint } from './motor';

/** What a crash was, and the vCPU that stands at it. */
export interface Crash {
  readonly cpu: number;
  /** `#PF`, `triple fault`, in a few words. */
  readonly title: string;
  /** One paragraph. */
  readonly text: string;
}

/** The functions of the guest kit in which a guest ends that has raised an exception without a handler. */
const LAST_HANDLERS = ['tl_exception'];
/** Rows at the end of a trace among which that of the fault is. */
const LAST_ROWS = 256;
/** Instructions gone back to find one that is in the program. */
const MOST_STEPS = 8;
/** Instructions from the entry of a handler to where it ends the guest. */
const MOST_HANDLER_STEPS = 256;
const DEPTH = 64;
const PAGE = 4096n;
/** A fault so near below the stack pointer is one of the stack. */
const STACK_REACH = 1n << 16n;

export class CrashHelp {
  constructor(
    private readonly debuggee: Debuggee,
    private readonly motor: Motor,
  ) {}

  /** To be asked at the run's end. Goes to the last good instruction where it was a crash; else stays where it is. */
  find(end: Stop): Crash | undefined {
    return this.gaveUp(end) ?? this.ownEnd(end);
  }

  /** The processor could not go on. */
  private gaveUp(end: Stop): Crash | undefined {
    const { control } = this.debuggee;
    const row = this.faultRow();
    if (row === undefined) return undefined;
    const cpu = this.cpuOfTrack(row) ?? end.cpu;
    const after = control.registers(cpu);
    this.toProgram(cpu);
    const message = end.message ?? describeRow(this.debuggee, row);
    const sentences = [sentence(message), this.standing(cpu), this.likely(cpu, after, after.rip, message)];
    return { cpu, title: 'The guest crashed', text: sentences.filter((each) => each !== '').join(' ') };
  }

  /** The guest's own last handler ended it: back to the instruction that raised the exception. */
  private ownEnd(end: Stop): Crash | undefined {
    const { control, language } = this.debuggee;
    for (const { index } of control.cpus) {
      const program = programOf(this.debuggee, index);
      const entry = LAST_HANDLERS.flatMap((name) => program?.image.symbol(name)?.address ?? [])[0];
      if (!program || entry === undefined) continue;
      // A run that ends well has an end in a hurry: its handler was never entered, and the search would go back to the beginning.
      if (!language.frames(control, index, DEPTH).some(({ name }) => LAST_HANDLERS.includes(name))) continue;
      const point: OwnPoint = { kind: 'code', vm: program.vm, cpu: index, address: entry };
      if (this.back([point]).own.length === 0) continue;
      const after = control.registers(index);
      const exception = this.exceptionOf(index);
      const interrupted = language.frames(control, index, DEPTH).find(({ kind }) => kind === 'interrupted');
      if (!interrupted) continue;
      this.backTo(index, interrupted);
      this.toProgram(index);
      const handler = `${exception} went to ${LAST_HANDLERS[0]}, which ended the guest.`;
      const said = end.message ?? '';
      const texts = [
        sentence(said),
        this.standing(index),
        handler,
        this.likely(index, after, interrupted.pc, exception),
      ];
      return {
        cpu: index,
        title: 'The guest raised an exception',
        text: texts.filter((each) => each !== '').join(' '),
      };
    }
    return undefined;
  }

  /** The exception that the guest's last handler is told of, at its first instruction: `#PF (error code 0x2)`. */
  private exceptionOf(cpu: number): string {
    const { control, language } = this.debuggee;
    const [frame] = language.frames(control, cpu, 1);
    const told = (member: string): number =>
      frame ? Number(language.evaluate(frame, `((struct tl_frame *)$rdi)->${member}`).text) : NaN;
    try {
      return `${vectorName(told('vector'))} (error code 0x${told('error_code').toString(16)})`;
    } catch (error) {
      if (error instanceof DebugError) return 'An exception';
      throw error;
    }
  }

  private back(points: readonly OwnPoint[]) {
    return this.motor.move('travel', (control) => control.backward(), points, false);
  }

  /** To the moment at which an interrupted instruction was about to be executed. */
  private backTo(cpu: number, { pc, sp, program }: Frame): void {
    if (!program) return;
    const { control, language } = this.debuggee;
    const { moment } = control;
    const when: OwnPoint['when'] = (hit) => control.registers(hit.cpu).general[Reg.RSP] === sp;
    if (program.nameOf(pc) !== undefined) {
      if (this.back([{ kind: 'code', vm: program.vm, cpu, address: pc, when }]).own.length > 0) return;
      this.motor.move('travel', (run: RunControl) => run.seek({ kind: 'moment', moment }), [], false);
    }
    // The instruction could not be fetched: the one that led there is the last that was executed before the handler.
    for (let count = 0; count < MOST_HANDLER_STEPS; count++) {
      if (!language.frames(control, cpu, DEPTH).some(({ kind }) => kind === 'interrupted')) return;
      const { reason } = this.motor.move('travel', (run) => run.stepBack(cpu), [], false).stop;
      if (reason !== 'goal') return;
    }
  }

  /** After a jump into nothing the instruction that jumped is the last good one. */
  private toProgram(cpu: number): void {
    const { control } = this.debuggee;
    for (let count = 0; count < MOST_STEPS; count++) {
      const { rip } = control.registers(cpu);
      if (programOf(this.debuggee, cpu)?.nameOf(rip) !== undefined) return;
      const { reason } = this.motor.move('travel', (run) => run.stepBack(cpu), [], false).stop;
      if (reason !== 'goal') return;
    }
  }

  private faultRow(): number | undefined {
    const { trace } = this.debuggee;
    for (let row = trace.rows - 1; row >= Math.max(0, trace.rows - LAST_ROWS); row--) {
      if (trace.kindOf(row) === Kind.GuestFault) return row;
    }
    return undefined;
  }

  /** The vCPU whose lane a row is in. */
  private cpuOfTrack(row: number): number | undefined {
    const { trace, control } = this.debuggee;
    const track = trace.meta.tracks[trace.trackOf(row)];
    return control.cpus.find(({ vm, number }) => vm === track?.vm && track.name.endsWith(` ${number}`))
      ?.index;
  }

  private standing(cpu: number): string {
    const { control, language } = this.debuggee;
    const [frame] = language.frames(control, cpu, 1);
    if (!frame) return '';
    const place = frame.place ? ` at ${frame.place.file.split(/[\\/]/).pop()}:${frame.place.line}` : '';
    return `The last good instruction of ${cpuName(this.debuggee, cpu)} is 0x${frame.pc.toString(16)} in ${frame.name}${place}.`;
  }

  /**
   * What such a fault most often comes from.
   * @param after registers once it had happened
   * @param target where the program was about to go on
   */
  private likely(cpu: number, after: RegisterFile, target: bigint, message: string): string {
    const program = programOf(this.debuggee, cpu);
    const now = this.debuggee.control.registers(cpu);
    const hex = (value: bigint): string => `0x${value.toString(16)}`;
    if (target !== now.rip && program?.nameOf(target) === undefined)
      return `From there it went to ${hex(target)}, where the guest has no code: a call or jump through a pointer that was never set, or a return address that was overwritten.`;
    // A page fault of a stack that is full cannot be delivered on it: what the guest sees is the double fault.
    if (!/#(PF|DF)/.test(message)) return '';
    const sp = now.general[Reg.RSP] ?? 0n;
    if (after.cr2 < PAGE) return `The address was ${hex(after.cr2)}: a NULL pointer was used.`;
    if (after.cr2 <= sp && sp - after.cr2 < STACK_REACH)
      return `The address ${hex(after.cr2)} lies just below the stack pointer (${hex(sp)}): the stack has overflowed.`;
    return '';
  }
}

function sentence(text: string): string {
  const trimmed = text.trim();
  return trimmed === '' || /[.!?]$/.test(trimmed) ? trimmed : `${trimmed}.`;
}
