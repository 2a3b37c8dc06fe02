/** Stacks of vCPUs, unwound by the call frame information of their programs. */
import type { SourcePlace } from '../guest/dwarf/line';
import type { DebugScope } from '../guest/dwarf/model';
import type { ControlReader } from '../run/control/control';
import type { Activation } from './frames/activation';
import { DebugError } from './frames/errors';
import { innermostFrame, stackOf, type Frame as UnwoundFrame } from './frames/frame';
import type { Frame } from './language';
import type { Program } from './program';
import { machineOf } from './register-numbers';

/** Frames as the session has them, each with the one that was unwound behind it. */
const unwoundOf = new WeakMap<Frame, UnwoundFrame>();

/** The frame that was unwound. @throws DebugError for one that is none of ours */
export function unwound(frame: Frame): UnwoundFrame {
  const found = frame instanceof ShownFrame ? frame.frame : unwoundOf.get(frame);
  if (found) return found;
  throw new DebugError('The frame is not known.');
}

/** The stack of a vCPU, the innermost frame first. */
export function framesOf(reader: ControlReader, cpu: number, program: Program, limit: number): Frame[] {
  const machine = machineOf(reader, cpu, program.unwinding.architecture, limit !== 1);
  if (limit === 1) {
    return [new ShownFrame(innermostFrame(program.unwinding, machine), undefined, cpu, program)];
  }
  const frames = stackOf(program.unwinding, machine, limit);
  return frames.map((frame, index) =>
    known(fixed(new ShownFrame(frame, frames[index - 1], cpu, program)), frame),
  );
}

function known(shown: Frame, frame: UnwoundFrame): Frame {
  unwoundOf.set(shown, frame);
  return shown;
}

/** Worked out as far as somebody asks: a condition is evaluated at each hit and asks for next to nothing. */
class ShownFrame implements Frame {
  constructor(
    readonly frame: UnwoundFrame,
    private readonly below: UnwoundFrame | undefined,
    readonly cpu: number,
    readonly program: Program,
  ) {}

  get pc(): bigint {
    return this.frame.pc;
  }
  get codeAt(): bigint {
    return this.frame.callPc;
  }
  get sp(): bigint {
    return stackPointer(this.frame.activation);
  }
  get cfa(): bigint | undefined {
    return this.frame.cfa;
  }
  get name(): string {
    return this.frame.name ?? `0x${this.frame.pc.toString(16)}`;
  }
  get place(): SourcePlace | undefined {
    return this.frame.place ?? this.program.lookup(this.frame.callPc);
  }
  get kind(): Frame['kind'] {
    if (this.frame.kind === 'inlined') return 'inlined';
    return this.below?.kind === 'interrupt' ? 'interrupted' : 'function';
  }
  get inlineDepth(): number {
    return depthOf(this.frame);
  }
}

/** With all that may be asked once the run has moved on: steps compare what was with what is. */
function fixed(frame: Frame): Frame {
  const { cpu, program, pc, codeAt, sp, cfa, name, place, kind, inlineDepth } = frame;
  return { cpu, program, pc, codeAt, sp, cfa, name, place, kind, inlineDepth };
}

function depthOf({ activation, scopes, kind }: UnwoundFrame): number {
  if (kind !== 'inlined') return 0;
  const pc = activation.lookupPc;
  let depth = 0;
  let scope: DebugScope | undefined = activation.function;
  while (scope && scope !== scopes[0]) {
    scope = scope.scopes.find(({ ranges }) => ranges.some(({ low, high }) => low <= pc && pc < high));
    if (scope?.inlined) depth++;
  }
  return depth;
}

function stackPointer(activation: Activation): bigint {
  try {
    return activation.register(activation.architecture.stackPointer) ?? 0n;
  } catch (error) {
    if (error instanceof DebugError) return 0n;
    throw error;
  }
}
