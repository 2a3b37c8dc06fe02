/** Steps backwards, by line, statement and instruction, and back to the call. All of it is `RunControl.backward` with points. */
import { Reg } from '../../machine/x86/types';
import type { PointHit, RunControl, Stop } from '../../run/control/control';
import type { SessionContext } from '../context';
import { virtual, type Debuggee } from '../debuggee';
import { instructionStarts } from '../disassembly/starts';
import type { Frame } from '../language';
import type { MotionEnd, OwnPoint } from '../motor';
import { framePlace, isInterrupted, type FramePlace } from './frame-place';
import type { Granularity } from './forward';
import { LineEntries } from './line-entries';

/** A line that goes on through so many stretches of the search is left where it is. */
const MOST_STRETCHES = 64;
const DEPTH = 64;
const POINTER_BYTES = 8n;

export class BackwardSteps {
  constructor(private readonly context: SessionContext) {}

  private get debuggee(): Debuggee {
    return this.context.debuggee;
  }

  /** To the beginning of this line, or from there to that of the one before, in this frame or in its caller. */
  back(cpu: number, granularity: Granularity): MotionEnd {
    if (granularity === 'instruction') return this.instruction(cpu);
    const place = framePlace(this.debuggee, cpu);
    if (!place?.frame.place) return this.instruction(cpu);
    const entries = new LineEntries(granularity !== 'statement');
    const points = this.statements(place, entries);
    let end = this.backward(points);
    for (let count = 0; count < MOST_STRETCHES && end.own.length > 0; count++) {
      const { instructions } = end.stop.moment;
      if (!entries.isUncertain(instructions)) return end;
      const line = this.lineOf(cpu);
      const earlier = this.backward(points);
      if (earlier.own.length > 0 && this.lineOf(cpu) === line) {
        end = earlier;
        continue;
      }
      // The line before is another one: the hit had been an entry indeed.
      const moment = end.stop.moment;
      this.context.motor.move('travel', (control) => control.seek({ kind: 'moment', moment }), [], false);
      return end;
    }
    return end;
  }

  /** To the call of this frame's function: the instruction that called, or that was about to be executed when a handler came. */
  out(cpu: number): MotionEnd {
    const place = framePlace(this.debuggee, cpu);
    const entry = place?.own?.entry ?? place?.program.image.symbols.functionAt(place.frame.codeAt)?.address;
    if (!place || entry === undefined) return this.oneBack(cpu);
    const { control } = this.debuggee;
    const { frame, program } = place;
    if (frame.pc !== entry) {
      const end = this.backward([
        {
          kind: 'code',
          vm: program.vm,
          cpu,
          address: entry,
          // At its first instruction the return address lies on top of the stack, just below the CFA.
          when: (hit) => control.registers(hit.cpu).general[Reg.RSP] + POINTER_BYTES === frame.cfa,
        },
      ]);
      if (end.own.length === 0) return end;
    }
    return this.oneBack(cpu);
  }

  private backward(points: readonly OwnPoint[]): MotionEnd {
    return this.context.motor.move('travel', (control) => control.backward(), points);
  }

  /** Beginnings of statements of this frame's function and its caller's, in these activations. */
  private statements(place: FramePlace, entries: LineEntries): OwnPoint[] {
    const { program, cpu, frame, caller } = place;
    const frames = [frame, ...(caller ? [caller] : [])];
    const { lines } = program.image;
    const addresses = frames.flatMap(({ codeAt }) => {
      const ranges = program.debug.functionAt(codeAt)?.ranges ?? [];
      return ranges.flatMap(({ low, high }) =>
        [...lines.statementsBetween(low, high)].map(({ address }) => address),
      );
    });
    return [...new Set(addresses)].map((address) => ({
      kind: 'code',
      vm: program.vm,
      cpu,
      address,
      when: (hit: PointHit) => this.isEntry(hit, frames, entries),
    }));
  }

  private isEntry({ cpu }: PointHit, frames: readonly Frame[], entries: LineEntries): boolean {
    const { control, language } = this.debuggee;
    const [now] = language.frames(control, cpu, 1);
    const activation = now && frames.find(({ cfa }) => cfa === now.cfa);
    // What is inlined more deeply than where one is belongs to the line that it is inlined into.
    if (!now || !activation || now.inlineDepth > activation.inlineDepth) return false;
    return entries.isEntry(control.moment.instructions, keyOf(now));
  }

  private lineOf(cpu: number): string {
    const { control, language } = this.debuggee;
    const [now] = language.frames(control, cpu, 1);
    return now ? keyOf(now) : '';
  }

  /** One instruction back; where that leads into a handler that has come in between, to before it. */
  private instruction(cpu: number): MotionEnd {
    const place = framePlace(this.debuggee, cpu);
    const end = this.oneBack(cpu);
    if (!place || this.context.attributes.stepOverInterrupts === false) return end;
    const { control, language } = this.debuggee;
    const { frame, program } = place;
    if (!isInterrupted(language.frames(control, cpu, DEPTH), frame.cfa)) return end;
    const ranges = place.own?.ranges ?? [];
    const starts = ranges.flatMap(({ low, high }) =>
      instructionStarts(control.readMemory(virtual(cpu), low, Number(high - low)), low),
    );
    const inFrame = (hit: PointHit): boolean => language.frames(control, hit.cpu, 1)[0]?.cfa === frame.cfa;
    return this.backward(
      starts.map((address) => ({ kind: 'code', vm: program.vm, cpu, address, when: inFrame })),
    );
  }

  private oneBack(cpu: number): MotionEnd {
    const back = (control: RunControl): Stop => control.stepBack(cpu);
    return this.context.motor.move('travel', back, [], false);
  }
}

function keyOf({ cfa, place }: Frame): string {
  return `${cfa} ${place?.file}:${place?.line}`;
}
