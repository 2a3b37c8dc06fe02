/** Steps forwards: over, into and out, by line, statement and instruction. Called functions run at full speed. */
import type { PointHit } from '../../run/control/control';
import { Reg } from '../../machine/x86/types';
import type { SessionContext } from '../context';
import { virtual, type Debuggee } from '../debuggee';
import { callLength } from '../disassembly/calls';
import type { Frame } from '../language';
import type { MotionEnd, OwnPoint } from '../motor';
import type { Program } from '../program';
import { callersOf, framePlace, isInterrupted, returnPoint, type FramePlace } from './frame-place';

export type Granularity = 'statement' | 'line' | 'instruction';

/** Longest instruction of the architecture (SDM vol. 2, 2.3.11). */
const MOST_BYTES = 15;
/** An instruction may find one interrupt after another before it; beyond that the step ends where it is. */
const MOST_INTERRUPTS = 64;
/** Frames looked at to tell whose doing a hit is. */
const DEPTH = 64;

export class ForwardSteps {
  constructor(private readonly context: SessionContext) {}

  private get debuggee(): Debuggee {
    return this.context.debuggee;
  }

  /** Goes to the next line or statement of this frame, or of the one that it returns to. */
  over(cpu: number, granularity: Granularity): MotionEnd {
    if (granularity === 'instruction') return this.instructionOver(cpu);
    return this.byLine(cpu, granularity, false);
  }

  /** The same, but stops where a function with source lines is entered. */
  into(cpu: number, granularity: Granularity): MotionEnd {
    if (granularity === 'instruction') return this.instruction(cpu);
    return this.byLine(cpu, granularity, true);
  }

  /**
   * Goes to a call of this line and into what it calls, behind its prologue. Where the line is left before (`a() && b()`), it stops
   * there as a step over it does.
   * @param call address of the call's instruction
   */
  intoCall(cpu: number, call: bigint): MotionEnd {
    const place = framePlace(this.debuggee, cpu);
    if (!place) return this.instruction(cpu);
    const { program, frame } = place;
    if (frame.pc !== call) {
      const there: OwnPoint = {
        kind: 'code',
        vm: program.vm,
        cpu,
        address: call,
        when: (hit) => this.isInFrame(hit, frame, Infinity),
      };
      const away = this.statementsOf(place, 'line', false);
      const back = place.caller ? [returnPoint(place, place.caller, this.debuggee.control)] : [];
      const end = this.forward([there, ...away, ...back]);
      if (!end.own.includes(0) || end.users.length > 0) return end;
    }
    const entered = this.step(cpu);
    if (entered.stop.reason !== 'goal') return entered;
    return this.behindPrologue(cpu) ?? entered;
  }

  /** From a function's first instruction to where its parameters have come to their places; undefined: it stands there. */
  private behindPrologue(cpu: number): MotionEnd | undefined {
    const inside = framePlace(this.debuggee, cpu);
    const { own, frame, program } = inside ?? {};
    if (!own || !frame || !program || own.entry !== frame.pc || own.afterPrologue === frame.pc)
      return undefined;
    const { cfa } = frame;
    return this.forward([
      {
        kind: 'code',
        vm: program.vm,
        cpu,
        address: own.afterPrologue,
        when: (hit) => this.debuggee.language.frames(this.debuggee.control, hit.cpu, 1)[0]?.cfa === cfa,
      },
    ]);
  }

  /** Goes to where this frame returns to. */
  out(cpu: number, granularity: Granularity): MotionEnd {
    const place = framePlace(this.debuggee, cpu);
    if (!place) return this.instruction(cpu);
    const { control } = this.debuggee;
    const [direct] = callersOf(place.frames);
    const caller = granularity === 'instruction' ? direct : (place.caller ?? direct);
    const points = caller ? [returnPoint(place, caller, control)] : [];
    if (place.frame.inlineDepth > 0) points.push(...this.outOfInlined(place));
    // From the outermost frame there is only the run's end to go to.
    return this.forward(points);
  }

  private forward(points: readonly OwnPoint[]): MotionEnd {
    return this.context.motor.move('forward', (control) => control.forward(), points);
  }

  private byLine(cpu: number, granularity: Granularity, into: boolean): MotionEnd {
    const place = framePlace(this.debuggee, cpu);
    if (!place?.frame.place) return this.withoutSource(cpu, place, into);
    const points = this.statementsOf(place, granularity, into);
    if (place.caller) points.push(returnPoint(place, place.caller, this.debuggee.control));
    if (into) points.push(...this.entries(place));
    return this.forward(points);
  }

  /** Code that has no lines: run out of it to some that has, or by an instruction where nothing is known. */
  private withoutSource(cpu: number, place: FramePlace | undefined, into: boolean): MotionEnd {
    if (!place?.caller) return into ? this.instruction(cpu) : this.instructionOver(cpu);
    const points = [returnPoint(place, place.caller, this.debuggee.control)];
    if (into) points.push(...this.entries(place));
    return this.forward(points);
  }

  /** Statements of the frame's own function that are on another line, or, by statement, at another place of it. */
  private statementsOf(place: FramePlace, granularity: Granularity, into: boolean): OwnPoint[] {
    const { program, frame, cpu } = place;
    const here = frame.place;
    const differs = (line: number, column: number, file: string): boolean =>
      line !== here?.line || file !== here.file || (granularity === 'statement' && column !== here.column);
    return this.ownStatements(place)
      .filter(({ line, column, file, address }) => differs(line, column, file) && address !== frame.pc)
      .map(({ address }) => ({
        kind: 'code',
        vm: program.vm,
        cpu,
        address,
        when: (hit: PointHit) => this.isInFrame(hit, frame, into ? Infinity : frame.inlineDepth),
      }));
  }

  private ownStatements({ program, own, frame }: FramePlace) {
    const { lines } = program.image;
    const ranges = own?.ranges ?? symbolRange(program, frame.codeAt);
    return ranges.flatMap(({ low, high }) => [...lines.statementsBetween(low, high)]);
  }

  /** Leaving what is inlined is coming to a statement of what it is inlined into. */
  private outOfInlined(place: FramePlace): OwnPoint[] {
    const { program, frame, cpu } = place;
    return this.ownStatements(place).map(({ address }) => ({
      kind: 'code',
      vm: program.vm,
      cpu,
      address,
      when: (hit: PointHit) => this.isInFrame(hit, frame, frame.inlineDepth - 1),
    }));
  }

  /** Whether a hit is in the same activation of the function, and no deeper in what is inlined into it than `deepest`. */
  private isInFrame({ cpu }: PointHit, frame: Frame, deepest: number): boolean {
    const { control, language } = this.debuggee;
    const [now] = language.frames(control, cpu, 1);
    return now !== undefined && now.cfa === frame.cfa && now.inlineDepth <= deepest;
  }

  /** Beginnings of all functions with lines, hit only where this frame has called them. */
  private entries({ program, frame, cpu }: FramePlace): OwnPoint[] {
    return program.bodiesOfFunctions().map((address) => ({
      kind: 'code',
      vm: program.vm,
      cpu,
      address,
      when: (hit: PointHit) => this.isCalledFrom(hit, frame),
    }));
  }

  private isCalledFrom({ cpu }: PointHit, frame: Frame): boolean {
    const { control, language } = this.debuggee;
    const frames = language.frames(control, cpu, DEPTH);
    const isBelow =
      frames.some(({ cfa }, index) => index > 0 && cfa === frame.cfa) && frames[0]?.cfa !== frame.cfa;
    return isBelow && !(this.keepsOut && isInterrupted(frames, frame.cfa));
  }

  private get keepsOut(): boolean {
    return this.context.attributes.stepOverInterrupts !== false;
  }

  /** One instruction; a call or a repeated string instruction as a whole. */
  private instructionOver(cpu: number): MotionEnd {
    const { control } = this.debuggee;
    const { rip, general, mode } = control.registers(cpu);
    const found = control.cpus[cpu];
    const length = callLength(control.readMemory(virtual(cpu), rip, MOST_BYTES), rip, mode);
    if (length === undefined || !found) return this.instruction(cpu);
    const behind: OwnPoint = {
      kind: 'code',
      vm: found.vm,
      cpu,
      address: BigInt.asUintN(64, rip + BigInt(length)),
      when: (hit) => control.registers(hit.cpu).general[Reg.RSP] === general[Reg.RSP],
    };
    return this.forward([behind]);
  }

  /** One instruction. Where an interrupt is taken before it, its handler runs first, unless the setting lets it in. */
  private instruction(cpu: number): MotionEnd {
    const { control, language } = this.debuggee;
    const before = control.registers(cpu);
    let end = this.step(cpu);
    for (let count = 0; count < MOST_INTERRUPTS && this.keepsOut && end.stop.reason === 'goal'; count++) {
      const handlers = language.frames(control, cpu, DEPTH);
      const [, ...below] = handlers;
      const interrupted = below.find(({ kind }) => kind === 'interrupted');
      const isNew = interrupted?.pc === before.rip && interrupted.sp === before.general[Reg.RSP];
      const place = framePlace(this.debuggee, cpu);
      if (!isNew || !place) return end;
      end = this.forward([returnPoint(place, interrupted, control)]);
      if (end.own.length === 0) return end;
      end = this.step(cpu);
    }
    return end;
  }

  private step(cpu: number): MotionEnd {
    return this.context.motor.move('forward', (control) => control.stepInstruction(cpu));
  }
}

function symbolRange(program: Program, pc: bigint): { low: bigint; high: bigint }[] {
  const symbol = program.image.symbols.functionAt(pc);
  return symbol && symbol.size > 0n ? [{ low: symbol.address, high: symbol.address + symbol.size }] : [];
}
