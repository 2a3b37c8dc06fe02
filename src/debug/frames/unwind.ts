/** One step up a stack: from an activation to the one that called it, or that it interrupted. */
import type { ExpressionContext } from '../../guest/dwarf/model';
import type { FrameRow } from '../../guest/dwarf/frame';
import type { RegisterRule } from '../../guest/dwarf/frame-program';
import { afterPush, codeRangeAt, followsCall, isReturn, returnsFromInterrupt } from './code';
import { compute, type ExpressionFrame } from './dwarf-expression';
import { DebugError } from './errors';
import { hardwareFrameAt, type HardwareFrame } from './interrupt-frame';
import { fetch, registerValue, type Location } from './location';
import { bytesOf, integerOf } from './machine';
import type { Program } from './program';

/** Where the registers of a frame are that its callees have moved; others are where they are in the machine. */
export type RegisterPlaces = ReadonlyMap<number, Location>;

/** An activation as a step sees it. */
export interface Stepping extends ExpressionFrame {
  readonly program: Program;
  readonly places: RegisterPlaces;
  readonly pc: bigint;
  /** `pc` is that of an instruction yet to execute, not what a call left behind. */
  readonly isExact: boolean;
  /** By which rules are looked up: `pc`, or an address within the call that left it. */
  readonly lookupPc: bigint;
  readonly row: FrameRow | undefined;
}

/** The activation above. */
export interface Step {
  readonly places: RegisterPlaces;
  readonly pc: bigint;
  readonly isExact: boolean;
  /** Found without call frame information. */
  readonly isGuess: boolean;
  /** Set where the lower activation was entered by an interrupt or an exception: address of what the processor pushed. */
  readonly hardwareFrame?: bigint;
}

/** Rules of frames use no entry of a unit. */
function ruleContext(addressSize: number): ExpressionContext {
  const none = (): never => {
    throw new DebugError('The call frame information is damaged: a rule refers to an entry of a unit.');
  };
  return { addressSize, offsetSize: 4, bias: 0n, address: none, baseType: none, variable: none };
}

const contexts = { 4: ruleContext(4), 8: ruleContext(8) } as const;

/**
 * Canonical frame address by a row of rules.
 * @throws DebugError when a register that it needs is not known
 */
export function cfaOf(frame: ExpressionFrame, row: FrameRow): bigint {
  const { cfa } = row;
  const { addressBytes } = frame.architecture;
  if (!cfa) throw new DebugError('The call frame information does not tell where the frame lies.');
  if (cfa.kind === 'expression') return compute(cfa.bytes, contexts[addressBytes], frame);
  return BigInt.asUintN(8 * addressBytes, registerValue(cfa.register, frame) + cfa.offset);
}

/** The step up from an activation; undefined: the stack ends there, or nothing can be told. */
export function stepUp(frame: Stepping): Step | undefined {
  try {
    return interrupted(frame) ?? (frame.row ? byRules(frame, frame.row) : byGuess(frame));
  } catch (error) {
    if (error instanceof DebugError) return undefined;
    throw error;
  }
}

function word(frame: Stepping, address: bigint): bigint {
  return integerOf(fetch({ kind: 'memory', address }, frame.architecture.addressBytes, frame));
}

/** What each kind of rule makes of a register. */
function placeOf(frame: Stepping, rule: RegisterRule, cfa: bigint, register: number): Location | undefined {
  const { addressBytes, nameOf } = frame.architecture;
  const address = (value: bigint): bigint => BigInt.asUintN(8 * addressBytes, value);
  const value = (of: bigint): Location => ({ kind: 'value', bytes: bytesOf(of, addressBytes) });
  switch (rule.kind) {
    case 'undefined':
      return { kind: 'lost', why: `Register ${nameOf(register)} has not been saved by the function called.` };
    case 'same':
      return undefined;
    case 'offset':
      return { kind: 'memory', address: address(cfa + rule.offset) };
    case 'value-offset':
      return value(address(cfa + rule.offset));
    case 'register':
      return frame.places.get(rule.register) ?? { kind: 'register', register: rule.register };
    case 'expression':
      return {
        kind: 'memory',
        address: compute(rule.bytes, contexts[addressBytes], frame, [cfa]),
      };
    case 'value-expression':
      return value(compute(rule.bytes, contexts[addressBytes], frame, [cfa]));
  }
}

/** Places after the rules; those of registers without a rule stay as they are, but the stack pointer is the CFA. */
function placesByRules(frame: Stepping, row: FrameRow, cfa: bigint): Map<number, Location> {
  const { stackPointer, addressBytes } = frame.architecture;
  const places = new Map(frame.places);
  places.set(stackPointer, { kind: 'value', bytes: bytesOf(cfa, addressBytes) });
  for (const [register, rule] of row.registers) {
    const place = placeOf(frame, rule, cfa, register);
    if (place) places.set(register, place);
  }
  return places;
}

function byRules(frame: Stepping, row: FrameRow): Step | undefined {
  const rule = row.registers.get(row.returnAddress);
  if (!rule || rule.kind === 'undefined') return undefined; // the outermost frame
  const places = placesByRules(frame, row, frame.cfa());
  const place = places.get(row.returnAddress);
  if (!place) return undefined;
  const pc = integerOf(fetch(place, frame.architecture.addressBytes, frame));
  places.set(frame.architecture.programCounter, place);
  if (row.isSignalFrame)
    return {
      places,
      pc,
      isExact: true,
      isGuess: false,
      ...(place.kind === 'memory' && { hardwareFrame: place.address }),
    };
  // Code that is not in the file may have called, as what starts an AP does from a copy of itself.
  const isCaller = frame.program.isCode(pc) || followsCall(frame, pc);
  return isCaller ? { places, pc, isExact: false, isGuess: false } : undefined;
}

/** Words above the stack pointer in which a stub without call frame information may have left the hardware frame. */
const SCANNED_IN_HANDLER = 40;
/** Of a stub that only pushes a vector and an error code, and jumps. */
const SCANNED_IN_STUB = 3;

/**
 * The step from a handler that an interrupt entered and whose call frame information has no word of it: compilers describe
 * `__attribute__((interrupt))` as if it had been called.
 */
function interrupted(frame: Stepping): Step | undefined {
  const { row, program } = frame;
  if (row?.isSignalFrame) return undefined;
  const range = codeRangeAt(program, frame.lookupPc);
  const hasReturn = range !== undefined && returnsFromInterrupt(program, frame, range);
  if (row) {
    const found = hasReturn ? nearCfa(frame) : undefined;
    return found && fromHardware(frame, found, placesByRules(frame, row, frame.cfa()), false);
  }
  const found = range && scan(frame, hasReturn ? SCANNED_IN_HANDLER : SCANNED_IN_STUB);
  return found && fromHardware(frame, found, new Map(frame.places), true);
}

/**
 * GCC has the CFA above RIP, with an error code or without. Clang counts neither the error code nor the word with which it
 * aligns the stack then.
 */
function nearCfa(frame: Stepping): HardwareFrame | undefined {
  const size = BigInt(frame.architecture.addressBytes);
  const cfa = frame.cfa();
  for (const address of [cfa - size, cfa, cfa + size]) {
    const found = hardwareFrameAt(frame.program, frame, address, address === cfa - size);
    if (found) return found;
  }
  return undefined;
}

function scan(frame: Stepping, words: number): HardwareFrame | undefined {
  const { stackPointer, addressBytes } = frame.architecture;
  const start = registerValue(stackPointer, frame);
  for (let index = 0; index < words; index++) {
    const address = start + BigInt(index * addressBytes);
    const found = hardwareFrameAt(frame.program, frame, address, false);
    if (found) return found;
  }
  return undefined;
}

function fromHardware(
  frame: Stepping,
  found: HardwareFrame,
  places: Map<number, Location>,
  isGuess: boolean,
): Step {
  const { architecture } = frame;
  const memory = (address: bigint): Location => ({ kind: 'memory', address });
  places.set(architecture.programCounter, memory(found.address));
  places.set(architecture.codeSegment, memory(found.codeSegment));
  places.set(architecture.flags, memory(found.flags));
  if (found.stackPointer === undefined)
    places.set(architecture.stackPointer, {
      kind: 'value',
      bytes: bytesOf(found.end, architecture.addressBytes),
    });
  else places.set(architecture.stackPointer, memory(found.stackPointer));
  if (found.stackSegment !== undefined) places.set(architecture.stackSegment, memory(found.stackSegment));
  return { places, pc: word(frame, found.address), isExact: true, isGuess, hardwareFrame: found.address };
}

/** Longest frame that a chain of frame pointers is believed to have. */
const MAX_FRAME_BYTES = 1n << 24n;

/** Without call frame information: where a function has just been entered or is about to return, else by the frame pointer. */
function byGuess(frame: Stepping): Step | undefined {
  const { architecture, program } = frame;
  const size = BigInt(architecture.addressBytes);
  const sp = registerValue(architecture.stackPointer, frame);
  if (!program.isCode(frame.pc)) return followsCall(frame, word(frame, sp)) ? guess(frame, sp) : undefined;
  const range = codeRangeAt(program, frame.lookupPc);
  const pushed = range && afterPush(frame, range.low);
  if (frame.isExact && range) {
    if (frame.pc === range.low || isReturn(frame, frame.pc)) return guess(frame, sp);
    if (pushed !== undefined && frame.pc < pushed) return guess(frame, sp);
    if (pushed === frame.pc) return guess(frame, sp + size, sp);
  }
  if (frame.isExact && range && pushed === undefined && isReturnAddress(frame, sp)) return guess(frame, sp);
  const fp = registerValue(architecture.framePointer, frame);
  const isPlausible = fp >= sp && fp - sp <= MAX_FRAME_BYTES && fp % size === 0n;
  return isPlausible ? guess(frame, fp + size, fp) : undefined;
}

function isReturnAddress(frame: Stepping, at: bigint): boolean {
  const value = word(frame, at);
  return frame.program.isCode(value) && followsCall(frame, value);
}

/**
 * A caller whose return address lies at `at`.
 * @param framePointer where the caller's frame pointer is saved; undefined: it still has it
 */
function guess(frame: Stepping, at: bigint, framePointer?: bigint): Step | undefined {
  const { architecture } = frame;
  const pc = word(frame, at);
  if (!frame.program.isCode(pc)) return undefined;
  const places = new Map(frame.places);
  places.set(architecture.programCounter, { kind: 'memory', address: at });
  places.set(architecture.stackPointer, {
    kind: 'value',
    bytes: bytesOf(at + BigInt(architecture.addressBytes), architecture.addressBytes),
  });
  if (framePointer !== undefined)
    places.set(architecture.framePointer, { kind: 'memory', address: framePointer });
  return { places, pc, isExact: false, isGuess: true };
}
