/** Frames and expressions as the session asks for them: one face over unwinding and over C. */
import type { SourcePlace } from '../guest/dwarf/line';
import type { ControlReader, RegisterName } from '../run/control/control';
import type { Program } from './program';

/** One frame of a vCPU's stack, the innermost first. */
export interface Frame {
  readonly cpu: number;
  readonly program: Program;
  /** Of the innermost frame RIP, of others where they go on. */
  readonly pc: bigint;
  /** By which code is looked up: of a frame that has called, the byte before `pc` belongs to the call. */
  readonly codeAt: bigint;
  /** RSP when the frame goes on. */
  readonly sp: bigint;
  /** Canonical frame address; undefined where nothing tells it. Frames of one function and what is inlined into it share it. */
  readonly cfa: bigint | undefined;
  readonly name: string;
  readonly place: SourcePlace | undefined;
  /** `interrupted`: the frame before it is a handler that came in between two of its instructions. */
  readonly kind: 'function' | 'inlined' | 'interrupted';
  /** How many functions it is inlined into, one within the other. */
  readonly inlineDepth: number;
}

/** A value of the program, ready to be shown. */
export interface ShownValue {
  readonly text: string;
  readonly type: string | undefined;
  /** How many parts it has, indexed (of arrays) or by name. */
  readonly indexed: number;
  readonly named: number;
  /** Where it lies in linear memory of the frame's vCPU, if it does, and how long it is. */
  readonly memory: { readonly address: bigint; readonly length: number } | undefined;
  /** An expression that gives it again in the same frame. */
  readonly expression: string;
  /** What could be written to. */
  readonly isLvalue: boolean;
  /** Its parts, from one on. */
  parts(first: number, count: number): readonly NamedValue[];
}

export interface NamedValue {
  readonly name: string;
  readonly value: ShownValue;
}

/** How values are written. */
export interface Format {
  readonly hex?: boolean;
}

/** What an expression that assigns comes down to. */
export type Change =
  | { readonly kind: 'memory'; readonly address: bigint; readonly bytes: Uint8Array }
  | { readonly kind: 'register'; readonly register: RegisterName; readonly value: bigint };

/** Everything throws `DebugError` with a sentence where it cannot be done. */
export interface Language {
  /**
   * @param limit most frames to be told; a damaged stack ends earlier. With 1, as conditions have it, what is asked of the frame is
   * worked out then, and is that of its moment only until the run moves
   */
  frames(reader: ControlReader, cpu: number, limit?: number): readonly Frame[];
  locals(frame: Frame, format?: Format): readonly NamedValue[];
  /** Statics and globals of the frame's unit. */
  globals(frame: Frame, format?: Format): readonly NamedValue[];
  /** An expression that assigns is refused. */
  evaluate(frame: Frame, expression: string, format?: Format): ShownValue;
  /** Whether an expression is other than 0. */
  test(frame: Frame, expression: string): boolean;
  /** What an expression would change; undefined: it assigns to nothing. */
  changes(frame: Frame, expression: string): readonly Change[] | undefined;
  /** @param cursor counted from 0 */
  completions(frame: Frame, text: string, cursor: number): readonly Completion[];
}

/** A proposal, and what of the text it takes the place of. */
export interface Completion {
  readonly label: string;
  readonly start: number;
  readonly length: number;
  readonly kind: 'variable' | 'member' | 'function' | 'constant' | 'register';
  readonly detail?: string;
}
