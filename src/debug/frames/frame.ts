/** Frames as a stack shows them, those of inlined functions among them. */
import type { DebugFunction, DebugScope } from '../../guest/dwarf/model';
import type { SourcePlace } from '../../guest/dwarf/line';
import { Activation } from './activation';
import type { FrameLayout } from './code-place';
import { DebugError } from './errors';
import type { MachineReader } from './machine';
import type { Program } from './program';

/** How a frame came to be. */
export type FrameKind =
  | 'normal'
  /** A function that the compiler has put into its caller's code. */
  | 'inlined'
  /** Entered by an interrupt or an exception: the next frame is the one that was interrupted. */
  | 'interrupt'
  /** Found without call frame information, by what the stack looks like. */
  | 'guessed';

/** A frame; good as long as its machine stands still. */
export interface Frame {
  readonly kind: FrameKind;
  /** Of the function; undefined where no table knows the code. */
  readonly name: string | undefined;
  /** The instruction that is next: in a caller the one after the call. */
  readonly pc: bigint;
  /** By which lines and scopes are looked up: `pc`, or in a caller an address within its call. */
  readonly callPc: bigint;
  /** Where the function stands at this moment, where that is not what the line table says of `callPc`: it has another inlined. */
  readonly place: SourcePlace | undefined;
  /** Canonical frame address; undefined: not known. */
  readonly cfa: bigint | undefined;
  /** Address of what the processor pushed, of an `interrupt` frame. */
  readonly hardwareFrame: bigint | undefined;
  /** The function whose code it is; of an inlined frame the one that it has been inlined into. */
  readonly function: DebugFunction | undefined;
  /** Blocks around the place, the innermost first; the last is that of the function itself. */
  readonly scopes: readonly DebugScope[];
  /** Registers, frame base and memory as this frame has them. */
  readonly activation: Activation;
}

/** A frame of an activation. */
class ActivationFrame implements Frame {
  constructor(
    readonly activation: Activation,
    private readonly layout: FrameLayout,
  ) {}

  get scopes(): readonly DebugScope[] {
    return this.layout.scopes;
  }

  get place(): SourcePlace | undefined {
    return this.layout.place;
  }

  get kind(): FrameKind {
    if (this.layout.inlinedName !== undefined) return 'inlined';
    if (this.activation.hardwareFrame !== undefined) return 'interrupt';
    return this.activation.isGuess ? 'guessed' : 'normal';
  }

  get name(): string | undefined {
    if (this.layout.inlinedName !== undefined) return this.layout.inlinedName;
    const { function: known, program, lookupPc } = this.activation;
    return known?.name ?? program.symbols.functionAt(lookupPc)?.name;
  }

  get pc(): bigint {
    return this.activation.pc;
  }

  get callPc(): bigint {
    return this.activation.lookupPc;
  }

  get cfa(): bigint | undefined {
    try {
      return this.activation.cfa();
    } catch (error) {
      if (error instanceof DebugError) return undefined;
      throw error;
    }
  }

  get hardwareFrame(): bigint | undefined {
    return this.layout.inlinedName === undefined ? this.activation.hardwareFrame : undefined;
  }

  get function(): DebugFunction | undefined {
    return this.activation.function;
  }
}

/** Frames of one activation, the innermost inlined one first. */
function framesOf(activation: Activation): Frame[] {
  return activation.place.layouts.map((layout) => new ActivationFrame(activation, layout));
}

/** The innermost frame, without a look at those above: what a condition is evaluated in. */
export function innermostFrame(program: Program, machine: MachineReader): Frame {
  const activation = Activation.top(program, machine);
  return new ActivationFrame(activation, activation.place.layouts[0]);
}

/**
 * The stack of a machine, the innermost frame first.
 * @param limit at most so many frames are worked out
 */
export function stackOf(program: Program, machine: MachineReader, limit = 1000): Frame[] {
  const frames: Frame[] = [];
  let activation: Activation | undefined = Activation.top(program, machine);
  while (activation && frames.length < limit) {
    frames.push(...framesOf(activation));
    activation = activation.above;
  }
  return frames.slice(0, limit);
}
