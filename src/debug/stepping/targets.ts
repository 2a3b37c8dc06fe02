/** The calls that the line at hand has still to make: a person steps into one of them. */
import { virtual, type Debuggee } from '../debuggee';
import { callsIn, type CallInstruction } from '../disassembly/calls';
import { framePlace } from './frame-place';

/** A call of the line, by the name of what it calls. */
export interface CallTarget extends CallInstruction {
  readonly label: string;
  /** Of its statement; 0: not known. */
  readonly line: number;
  readonly column: number;
}

/** Longest function whose calls are looked for, in bytes. */
const MOST_BYTES = 1 << 20;

/** Calls of the innermost frame's line from its instruction on, in the order of their addresses. */
export function callTargets(debuggee: Debuggee, cpu: number): CallTarget[] {
  const place = framePlace(debuggee, cpu);
  const here = place?.frame.place;
  if (!place || !here) return [];
  const { control } = debuggee;
  const { program, frame, own } = place;
  const { mode } = control.registers(cpu);
  const calls = (own?.ranges ?? []).flatMap(({ low, high }) => {
    const length = Math.min(Number(high - low), MOST_BYTES);
    return callsIn(control.readMemory(virtual(cpu), low, length), low, mode);
  });
  return calls.flatMap(({ address, target }): CallTarget[] => {
    const at = program.lookup(address);
    if (address < frame.pc || at?.line !== here.line || at.file !== here.file) return [];
    const label =
      target === undefined ? 'through a pointer' : (program.nameOf(target) ?? `0x${target.toString(16)}`);
    return [{ address, target, label, line: at.line, column: at.column }];
  });
}
