/** Where a step begins: the frame that stands, the one it returns to, and how a later moment is told to be in the same one. */
import type { DebugFunction } from '../../guest/dwarf/model';
import { Reg } from '../../machine/x86/types';
import type { ControlReader, PointHit } from '../../run/control/control';
import { programOf, type Debuggee } from '../debuggee';
import type { Frame } from '../language';
import type { OwnPoint } from '../motor';
import type { Program } from '../program';

/** Frames looked at to find one with source: more lie in no chain of calls that a person steps through. */
const FRAMES_LOOKED_AT = 32;

export interface FramePlace {
  readonly cpu: number;
  readonly program: Program;
  readonly frames: readonly Frame[];
  readonly frame: Frame;
  /** The function that the frame is of, with what is inlined into it; undefined where there is no debug information. */
  readonly own: DebugFunction | undefined;
  /** The nearest frame that it returns to and that has source lines. */
  readonly caller: Frame | undefined;
}

/** @returns undefined where the vCPU stands in no program that is known */
export function framePlace(debuggee: Debuggee, cpu: number): FramePlace | undefined {
  const program = programOf(debuggee, cpu);
  const frames = debuggee.language.frames(debuggee.control, cpu, FRAMES_LOOKED_AT);
  const [frame] = frames;
  if (!program || !frame) return undefined;
  return {
    cpu,
    program,
    frames,
    frame,
    own: program.debug.functionAt(frame.codeAt),
    caller: callersOf(frames).find(({ codeAt }) => program.hasLines(codeAt)),
  };
}

/** Frames of other functions than the innermost one, innermost first; the functions themselves, not what is inlined. */
export function callersOf(frames: readonly Frame[]): Frame[] {
  const [first] = frames;
  return frames.filter(({ cfa, inlineDepth }) => cfa !== first?.cfa && inlineDepth === 0);
}

/** A point where a frame goes on, and only there: another activation of its function has another stack pointer. */
export function returnPoint({ cpu, program }: FramePlace, caller: Frame, reader: ControlReader): OwnPoint {
  return {
    kind: 'code',
    vm: program.vm,
    cpu,
    address: caller.pc,
    when: (hit: PointHit) => reader.registers(hit.cpu).general[Reg.RSP] === caller.sp,
  };
}

/** Whether handlers of interrupts came in between the innermost of some frames and the one of a CFA. */
export function isInterrupted(frames: readonly Frame[], cfa: bigint | undefined): boolean {
  const at = frames.findIndex((each) => each.cfa === cfa);
  return at > 0 && frames.slice(1, at + 1).some(({ kind }) => kind === 'interrupted');
}
