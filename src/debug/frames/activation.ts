/** A function's activation on a stack, with its registers; the frames of functions inlined into it share it. */
import type { DebugFunction } from '../../guest/dwarf/model';
import type { FrameRow } from '../../guest/dwarf/frame';
import type { Architecture } from './architecture';
import { codePlaceAt, type CodePlace } from './code-place';
import { locate } from './dwarf-expression';
import { entryValue, type EnteredFrame } from './entry-value';
import { DebugError } from './errors';
import { fetch, registerValue, type Location, type WritableFrame } from './location';
import { integerOf, type MachineReader } from './machine';
import type { Program } from './program';
import { cfaOf, stepUp, type RegisterPlaces, type Step, type Stepping } from './unwind';

/** Activations of one stack; a deeper one is cut off. */
export const MAX_ACTIVATIONS = 512;

const IN_MACHINE: RegisterPlaces = new Map();

/** All that is lazy is worked out once: an activation is good as long as its machine stands still. */
export class Activation implements Stepping, WritableFrame, EnteredFrame {
  private workedOut: { readonly above: Activation | undefined; readonly step: Step | undefined } | undefined;
  private knownCfa: bigint | undefined;
  private knownBase: bigint | undefined;
  private values: Map<number, bigint> | undefined;
  private knownPlace: CodePlace | undefined;

  private constructor(
    readonly program: Program,
    private readonly machine: MachineReader,
    /** 0: the innermost. */
    readonly level: number,
    readonly pc: bigint,
    readonly isExact: boolean,
    /** Found without call frame information. */
    readonly isGuess: boolean,
    readonly places: RegisterPlaces,
    /** Places of the stack that have been visited, so that one that goes in a circle ends. */
    private visited: Set<string> | undefined,
  ) {}

  /** The activation that a machine is in. */
  static top(program: Program, machine: MachineReader): Activation {
    const pc = machine.register(program.architecture.programCounter) ?? 0n;
    return new Activation(program, machine, 0, pc, true, false, IN_MACHINE, undefined);
  }

  get architecture(): Architecture {
    return this.program.architecture;
  }

  /** The address by which lines, scopes and rules are looked up: that of the call where `pc` is what the call left behind. */
  get lookupPc(): bigint {
    return this.isExact ? this.pc : this.pc - 1n;
  }

  /** What the debug information says of `lookupPc`. */
  get place(): CodePlace {
    this.knownPlace ??= codePlaceAt(this.program, this.lookupPc);
    return this.knownPlace;
  }

  get row(): FrameRow | undefined {
    return this.place.row;
  }

  /** The function whose code this is; undefined without debug information of it. */
  get function(): DebugFunction | undefined {
    return this.place.function;
  }

  /** The activation that called this one, or that it interrupted. */
  get above(): Activation | undefined {
    return this.climb().above;
  }

  /** Address of what the processor pushed where this activation was entered by an interrupt or an exception. */
  get hardwareFrame(): bigint | undefined {
    return this.climb().step?.hardwareFrame;
  }

  register(number: number): bigint | undefined {
    const place = this.places.get(number);
    if (!place) return this.machine.register(number);
    if (place.kind === 'register') return this.machine.register(place.register);
    if (place.kind === 'lost') return undefined;
    const known = this.values?.get(number);
    if (known !== undefined) return known;
    const value = integerOf(fetch(place, this.architecture.addressBytes, this));
    this.values ??= new Map();
    this.values.set(number, value);
    return value;
  }

  registerPlace(number: number): Location {
    return this.places.get(number) ?? { kind: 'register', register: number };
  }

  readMemory(address: bigint, length: number): Uint8Array {
    return this.machine.readMemory(address, length);
  }

  systemRegister(name: string): bigint | undefined {
    return this.machine.systemRegister?.(name);
  }

  cfa(): bigint {
    this.knownCfa ??= this.workOutCfa();
    return this.knownCfa;
  }

  frameBase(): bigint {
    this.knownBase ??= this.workOutFrameBase();
    return this.knownBase;
  }

  entryValue(expression: Uint8Array): bigint {
    return entryValue(expression, this);
  }

  private workOutCfa(): bigint {
    if (this.row) return cfaOf(this, this.row);
    // Where the caller's stack pointer will be, as a CFA is by its usual definition (6.4.1).
    const { above } = this;
    if (above) return registerValue(this.architecture.stackPointer, above);
    throw new DebugError('Where the frame lies is not known: the code has no call frame information.');
  }

  private workOutFrameBase(): bigint {
    const base = this.place.frameBase;
    if (!base)
      throw new DebugError('The debug information does not tell where the frame of this function lies.');
    if (base.kind === 'constant') return integerOf(base.bytes);
    const location = locate(base.bytes, base.unit, this);
    if (location.kind === 'memory') return location.address;
    return integerOf(fetch(location, this.architecture.addressBytes, this));
  }

  private climb(): { readonly above: Activation | undefined; readonly step: Step | undefined } {
    this.workedOut ??= this.workOutAbove();
    return this.workedOut;
  }

  private workOutAbove(): { above: Activation | undefined; step: Step | undefined } {
    const step = this.level + 1 < MAX_ACTIVATIONS ? stepUp(this) : undefined;
    if (!step) return { above: undefined, step };
    const { program, machine } = this;
    const visited = (this.visited ??= new Set());
    const above = new Activation(
      program,
      machine,
      this.level + 1,
      step.pc,
      step.isExact,
      step.isGuess,
      step.places,
      visited,
    );
    const key = `${step.pc}:${above.stackPointerOrNone()}`;
    if (visited.has(key)) return { above: undefined, step };
    visited.add(key);
    return { above, step };
  }

  private stackPointerOrNone(): string {
    try {
      return String(this.register(this.architecture.stackPointer));
    } catch (error) {
      if (error instanceof DebugError) return 'none';
      throw error;
    }
  }
}
