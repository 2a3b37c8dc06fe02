/** Stacks of vCPUs, unwound by the call frame information of their programs. */
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
  const found = unwoundOf.get(frame);
  if (found) return found;
  throw new DebugError('The frame is not known.');
}

/** The stack of a vCPU, the innermost frame first. */
export function framesOf(reader: ControlReader, cpu: number, program: Program, limit: number): Frame[] {
  const machine = machineOf(reader, cpu, program.unwinding.architecture);
  const frames =
    limit === 1 ? [innermostFrame(program.unwinding, machine)] : stackOf(program.unwinding, machine, limit);
  return frames.map((frame, index) => shown(frame, frames[index - 1], cpu, program));
}

function shown(frame: UnwoundFrame, below: UnwoundFrame | undefined, cpu: number, program: Program): Frame {
  const { activation, pc, callPc, kind } = frame;
  const made: Frame = {
    cpu,
    program,
    pc,
    codeAt: callPc,
    sp: stackPointer(activation),
    cfa: frame.cfa,
    name: frame.name ?? `0x${pc.toString(16)}`,
    place: frame.place ?? program.lookup(callPc),
    kind: kind === 'inlined' ? kind : below?.kind === 'interrupt' ? 'interrupted' : 'function',
    inlineDepth: depthOf(frame),
  };
  unwoundOf.set(made, frame);
  return made;
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
