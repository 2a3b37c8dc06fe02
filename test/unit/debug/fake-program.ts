/** Machines and programs made by hand, for tests without a compiler. */
import { FrameTable } from '../../../src/guest/dwarf/frame';
import { LineTable } from '../../../src/guest/dwarf/line';
import type { DebugFunction, DebugInfo, DebugType, DebugVariable } from '../../../src/guest/dwarf/model';
import { SymbolTable } from '../../../src/guest/symbols';
import { X86_64 } from '../../../src/debug/frames/architecture';
import { bytesOf, type MachineReader, type MachineWriter } from '../../../src/debug/frames/machine';
import type { Program } from '../../../src/debug/frames/program';

/** Code is from here to `CODE_END`. */
export const CODE = 0x100000n;
export const CODE_END = 0x110000n;

/** A machine of some stretches of memory; what is written can be read again. */
export class FakeMachine implements MachineReader, MachineWriter {
  readonly registers = new Map<number, bigint>();
  private readonly ranges: { low: bigint; bytes: Uint8Array }[] = [];

  map(low: bigint, length: number): this {
    this.ranges.push({ low, bytes: new Uint8Array(length) });
    return this;
  }

  register(number: number): bigint | undefined {
    return this.registers.get(number);
  }

  systemRegister(name: string): bigint | undefined {
    return name === 'cr3' ? 0x1000n : undefined;
  }

  readMemory(address: bigint, length: number): Uint8Array {
    const range = this.ranges.find(
      ({ low, bytes }) => address >= low && address < low + BigInt(bytes.length),
    );
    if (!range) return new Uint8Array();
    const start = Number(address - range.low);
    return range.bytes.slice(start, start + length);
  }

  writeMemory(address: bigint, bytes: Uint8Array): void {
    const range = this.ranges.find(
      (each) => address >= each.low && address < each.low + BigInt(each.bytes.length),
    );
    if (!range) throw new RangeError(`nothing is mapped at ${address}`);
    range.bytes.set(bytes, Number(address - range.low));
  }

  writeRegister(number: number, value: bigint): void {
    this.registers.set(number, value);
  }

  /** Puts quadwords one above the other. */
  words(address: bigint, ...values: bigint[]): void {
    values.forEach((value, index) => this.writeMemory(address + BigInt(8 * index), bytesOf(value, 8)));
  }

  code(address: bigint, ...bytes: number[]): void {
    this.writeMemory(address, Uint8Array.from(bytes));
  }
}

/** A program of symbols alone, and what is given besides. */
export function fakeProgram(
  functions: readonly (readonly [name: string, address: bigint, size: bigint])[],
  more: Partial<Program> = {},
): Program {
  return {
    architecture: X86_64,
    debug: undefined,
    frames: FrameTable.empty,
    lines: LineTable.empty,
    symbols: new SymbolTable(
      functions.map(([name, address, size]) => ({
        name,
        address,
        size,
        type: 'function',
        global: true,
        defined: true,
      })),
    ),
    isCode: (address) => address >= CODE && address < CODE_END,
    ...more,
  };
}

const unit = {
  addressSize: 8,
  offsetSize: 4,
  bias: 0n,
  address: () => 0n,
  baseType: () => undefined,
  variable: () => undefined,
} as const;

/** A variable whose location is an expression. */
export function variable(name: string, type: DebugType, expression: readonly number[]): DebugVariable {
  return {
    name,
    type,
    isParameter: false,
    locationAt: () => ({ kind: 'expression', bytes: Uint8Array.from(expression), unit }),
  };
}

/** A pointer to a variable that lies in no memory, and which byte of it. */
export function implicitPointer(
  name: string,
  type: DebugType,
  target: DebugVariable,
  offset: number,
): DebugVariable {
  const bytes = Uint8Array.of(0xa0, 0, 0, 0, 0, offset); // DW_OP_implicit_pointer
  return {
    name,
    type,
    isParameter: false,
    locationAt: () => ({ kind: 'expression', bytes, unit: { ...unit, variable: () => target } }),
  };
}

/** DW_OP_addr. */
export const at = (address: bigint): number[] => [0x03, ...bytesOf(address, 8)];

/** Debug information of one function over all of the code. */
export function fakeDebug(
  locals: readonly DebugVariable[],
  globals: readonly DebugVariable[],
  types: Readonly<Record<string, DebugType>> = {},
): DebugInfo {
  const ranges = [{ low: CODE, high: CODE_END }];
  const main: DebugFunction = {
    name: 'main',
    result: { kind: 'void' },
    entry: CODE,
    afterPrologue: CODE,
    isExternal: true,
    ranges,
    variables: locals,
    scopes: [],
    // DW_OP_reg6: RBP
    frameBaseAt: () => ({ kind: 'expression', bytes: Uint8Array.of(0x56), unit }),
    callSite: () => undefined,
    tailCalls: [],
  };
  return {
    problems: [],
    functionAt: (pc) => (pc >= CODE && pc < CODE_END ? main : undefined),
    functionsNamed: (name) => (name === 'main' ? [main] : []),
    global: (name) => globals.find((each) => each.name === name),
    named: (name) => {
      const known = globals.find((each) => each.name === name);
      if (known) return { kind: 'variable', variable: known };
      return name === 'main' ? { kind: 'function', function: main } : undefined;
    },
    globalNames: () => globals.map(({ name }) => name),
    globalsOf: () => globals,
    typeNamed: (name) => types[name],
    enumerator: () => undefined,
  };
}
