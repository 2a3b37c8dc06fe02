/** What gdb knows of a program at some of its instructions, and the same moments as a machine that our own code reads. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { MachineReader } from '../../../src/debug/frames/machine';
import { root } from '../guest/build';

/** A frame as gdb has it. */
export interface GdbFrame {
  readonly name: string | null;
  readonly inlined: boolean;
  readonly pc: string;
  readonly line: number;
  /** By DWARF number, unsigned. */
  readonly registers: Readonly<Record<string, string>>;
  readonly variables: readonly (readonly [name: string, text: string])[];
}

/** A moment. */
export interface GdbStop {
  readonly frames: readonly GdbFrame[];
  readonly vectors: Readonly<Record<string, string>>;
  /** Address and bytes in base 64. */
  readonly memory: readonly (readonly [address: string, bytes: string])[];
  readonly expressions: Readonly<Record<string, string>>;
}

/**
 * Runs a program under gdb and stops it at random instructions.
 * @returns undefined where this computer lets no process trace another
 */
export function gdbStops(
  program: string,
  stops: number,
  seed: number,
  expressions: readonly string[],
): readonly GdbStop[] | undefined {
  const out = `${program}.json`;
  const { status } = spawnSync(
    'gdb',
    ['-nx', '-batch', '-x', join(root, 'test/fixtures/debug/dump.py'), program],
    {
      env: {
        ...process.env,
        LC_ALL: 'C',
        OUT: out,
        SEED: String(seed),
        STOPS: String(stops),
        EXPRESSIONS: JSON.stringify(expressions),
      },
    },
  );
  try {
    if (status === 0) return JSON.parse(readFileSync(out, 'utf8')) as GdbStop[];
  } catch {
    // told by the result
  }
  return undefined;
}

/** The machine of a moment. */
export function machineOf({ frames, memory, vectors }: GdbStop): MachineReader {
  const registers = { ...frames[0].registers, ...vectors };
  const ranges = memory.map(([address, bytes]) => ({
    low: BigInt(address),
    bytes: new Uint8Array(Buffer.from(bytes, 'base64')),
  }));
  return {
    register: (number) => {
      const value = registers[String(number)];
      return value === undefined ? undefined : BigInt(value);
    },
    readMemory: (address, length) => {
      const range = ranges.find(({ low, bytes }) => address >= low && address < low + BigInt(bytes.length));
      if (!range) return new Uint8Array();
      const start = Number(address - range.low);
      return range.bytes.subarray(start, start + length);
    },
  };
}
