/**
 * What the debug information of a guest says of its program, as a debugger asks for it: types, variables with their
 * locations, functions with their inlined callees, and how to unwind a frame. Plain data and lazy getters over .debug_info;
 * nothing here knows a machine.
 */
import type { SourcePlace } from './line';

/** A type of the program. Types may refer to themselves: what a type refers to is read when asked for. */
export type DebugType =
  | { readonly kind: 'void' }
  | {
      readonly kind: 'base';
      readonly name: string;
      readonly bytes: number;
      readonly encoding: 'signed' | 'unsigned' | 'boolean' | 'float' | 'character' | 'unsigned-character';
    }
  | { readonly kind: 'pointer'; readonly bytes: number; readonly target: DebugType }
  | {
      readonly kind: 'struct' | 'union';
      /** Absent: anonymous. */
      readonly name?: string;
      /** 0 for a declaration without a definition. */
      readonly bytes: number;
      readonly members: readonly DebugMember[];
    }
  | {
      readonly kind: 'array';
      readonly element: DebugType;
      /** Elements of the outermost dimension; undefined: not known (`[]`, a length that only runs have). */
      readonly count: number | undefined;
    }
  | {
      readonly kind: 'enum';
      readonly name?: string;
      readonly bytes: number;
      readonly signed: boolean;
      readonly values: readonly { readonly name: string; readonly value: bigint }[];
    }
  | { readonly kind: 'typedef'; readonly name: string; readonly target: DebugType }
  | {
      readonly kind: 'qualified';
      readonly qualifier: 'const' | 'volatile' | 'restrict' | 'atomic';
      readonly target: DebugType;
    }
  | {
      readonly kind: 'function';
      readonly result: DebugType;
      readonly parameters: readonly DebugType[];
      readonly variadic: boolean;
    };

export interface DebugMember {
  /** Absent: an anonymous struct or union, whose members are reached as if they were those of the outer one. */
  readonly name?: string;
  readonly type: DebugType;
  /** Bytes from the beginning of the whole. */
  readonly offset: number;
  /** Of a bit field: its lowest bit counted from bit 0 of the byte at `offset` (little endian), and its width. */
  readonly bits?: { readonly first: number; readonly width: number };
}

/** A local variable, a parameter or a global. */
export interface DebugVariable {
  readonly name: string;
  readonly type: DebugType;
  readonly isParameter: boolean;
  readonly declared?: SourcePlace;
  /** Where it is for code at an address; undefined: optimised out there. A constant has its bytes. */
  locationAt(pc: bigint): DebugLocation | undefined;
}

/** A DWARF expression to be worked out with a frame at hand, or bytes that are the value. */
export type DebugLocation =
  | { readonly kind: 'expression'; readonly bytes: Uint8Array; readonly unit: ExpressionContext }
  | { readonly kind: 'constant'; readonly bytes: Uint8Array };

/** What an expression needs of its unit (DWARF 5, 2.5). */
export interface ExpressionContext {
  readonly addressSize: number;
  readonly offsetSize: 4 | 8;
  /** Added to addresses in the file. */
  readonly bias: bigint;
  /** .debug_addr entry by index, for DW_OP_addrx and DW_OP_constx. */
  address(index: number): bigint;
  /** Type of DW_OP_convert and its kin, by offset of its entry in the unit. */
  baseType(offset: number): DebugType | undefined;
  /** The variable whose entry is at an offset of .debug_info, for DW_OP_implicit_pointer. */
  variable(offset: number): DebugVariable | undefined;
  /** Call-site values of the caller for DW_OP_entry_value come from the frame; see `CallSite`. */
}

/** A block of a function, or a function inlined into it. */
export interface DebugScope {
  readonly ranges: readonly { readonly low: bigint; readonly high: bigint }[];
  readonly variables: readonly DebugVariable[];
  readonly scopes: readonly DebugScope[];
  /** Set where this is a function inlined here. */
  readonly inlined?: { readonly name: string; readonly callSite?: SourcePlace };
}

/** What a call leads to (DWARF 5, 3.4.1): an address, a function that another unit defines, or what an expression comes to in the caller. */
export type CallTarget =
  | { readonly kind: 'address'; readonly address: bigint }
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'expression'; readonly bytes: Uint8Array };

/** What a caller knows of the registers and arguments of a call (DW_TAG_call_site), by return address. */
export interface CallSite {
  /** The address after the call or, of a call at the end of a function that has become a jump, within or after the jump. */
  readonly returnAddress: bigint;
  /** Undefined: the debug information does not tell. */
  readonly target: CallTarget | undefined;
  /** A jump in place of a call and a return: the caller's frame is gone when the callee runs. */
  readonly isTail: boolean;
  /** By the expression that the callee has for them: a register or a place at its entry, or DW_OP_GNU_parameter_ref. */
  readonly parameters: readonly { readonly location: Uint8Array; readonly value: Uint8Array }[];
  readonly unit: ExpressionContext;
}

/** A function with code of its own. */
export interface DebugFunction extends DebugScope {
  readonly name: string;
  readonly result: DebugType;
  readonly declared?: SourcePlace;
  /** First instruction. */
  readonly entry: bigint;
  /**
   * First instruction after the prologue, where a breakpoint by the function's name goes: from there on variables are where their
   * locations say. In optimised code of GNU compilers that is the entry, since their lists of locations know the prologue.
   */
  readonly afterPrologue: bigint;
  readonly isExternal: boolean;
  /** What DW_OP_fbreg counts from. */
  frameBaseAt(pc: bigint): DebugLocation | undefined;
  callSite(returnAddress: bigint): CallSite | undefined;
  /** Jumps to other functions in place of calls. */
  readonly tailCalls: readonly CallSite[];
}

/** What a name stands for outside of functions. */
export type DebugNamed =
  | { readonly kind: 'variable'; readonly variable: DebugVariable }
  | { readonly kind: 'function'; readonly function: DebugFunction };

/** The debug information of one guest file. */
export interface DebugInfo {
  /** Why there is less than one would expect, for a reader: split DWARF, a damaged unit. Empty when all is well. */
  readonly problems: readonly string[];
  /** The function whose code contains an address. */
  functionAt(pc: bigint): DebugFunction | undefined;
  functionsNamed(name: string): readonly DebugFunction[];
  /** Globals and statics that code at an address can see: first of its unit, then those of others. */
  global(name: string, pc?: bigint): DebugVariable | undefined;
  /** What a name stands for to code at an address: what its unit has, then what is external, then statics of other units. */
  named(name: string, pc?: bigint): DebugNamed | undefined;
  globalNames(): readonly string[];
  /** Statics and globals of the unit that contains an address. */
  globalsOf(pc: bigint): readonly DebugVariable[];
  /** A type by its name as C writes it: `struct ring`, `enum state`, `u32`, `unsigned int`. */
  typeNamed(name: string, pc?: bigint): DebugType | undefined;
  /** Value of an enumerator. */
  enumerator(name: string): { readonly value: bigint; readonly type: DebugType } | undefined;
}
