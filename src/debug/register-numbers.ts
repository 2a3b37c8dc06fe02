/** Registers by DWARF numbers as run control has them. */
import type { ControlReader, RegisterFile, RegisterName } from '../run/control/control';
import { virtual } from './debuggee';
import type { Architecture } from './frames/architecture';
import type { MachineReader } from './frames/machine';

/** General registers in the order of DWARF, by their places in that of the instruction set (System V ABI, AMD64, figure 3.36). */
const GENERAL: Record<Architecture['name'], readonly number[]> = {
  'x86-64': [0, 2, 1, 3, 6, 7, 5, 4, 8, 9, 10, 11, 12, 13, 14, 15],
  i386: [0, 1, 2, 3, 4, 5, 6, 7],
};
const NAMES = {
  'x86-64': GENERAL['x86-64'].map((general) => ({ general })),
  i386: GENERAL.i386.map((general) => ({ general })),
} as const satisfies Record<Architecture['name'], readonly RegisterName[]>;
/** DWARF number of ES, which CS, SS, DS, FS and GS follow. */
const SEGMENTS: Record<Architecture['name'], number> = { 'x86-64': 50, i386: 40 };
const FS_BASE = 58;
const GS_BASE = 59;
/** Places of FS and GS among the segments. */
const FS = 4;
const GS = 5;

const SYSTEM: Record<string, (file: RegisterFile) => bigint> = {
  cr0: ({ cr0 }) => cr0,
  cr2: ({ cr2 }) => cr2,
  cr3: ({ cr3 }) => cr3,
  cr4: ({ cr4 }) => cr4,
  cr8: ({ cr8 }) => cr8,
  efer: ({ efer }) => efer,
  cpl: ({ cpl }) => BigInt(cpl),
};

function registerOf(file: RegisterFile, architecture: Architecture, number: number): bigint | undefined {
  const general = GENERAL[architecture.name][number];
  if (general !== undefined) return file.general[general];
  if (number === architecture.programCounter) return file.rip;
  if (number === architecture.flags) return file.rflags;
  if (architecture.name === 'x86-64' && number === FS_BASE) return file.segments[FS]?.base;
  if (architecture.name === 'x86-64' && number === GS_BASE) return file.segments[GS]?.base;
  const selector = file.segments[number - SEGMENTS[architecture.name]]?.selector;
  return selector === undefined ? undefined : BigInt(selector);
}

/**
 * A vCPU as it stands: good until the run moves.
 * @param wholly its registers are kept as they are; otherwise each is read when it is asked for
 */
export function machineOf(
  reader: ControlReader,
  cpu: number,
  architecture: Architecture,
  wholly: boolean,
): MachineReader {
  const space = virtual(cpu);
  let file = wholly ? reader.registers(cpu) : undefined;
  const all = (): RegisterFile => (file ??= reader.registers(cpu));
  return {
    register: (number) => {
      const single = file ? undefined : writableRegister(architecture, number);
      return single === undefined ? registerOf(all(), architecture, number) : reader.register(cpu, single);
    },
    readMemory: (address, length) => reader.readMemory(space, address, length),
    systemRegister: (name) => (Object.hasOwn(SYSTEM, name) ? SYSTEM[name]?.(all()) : undefined),
  };
}

/** By which run control writes a register; undefined: it cannot be written. */
export function writableRegister(architecture: Architecture, number: number): RegisterName | undefined {
  if (number === architecture.programCounter) return 'rip';
  if (number === architecture.flags) return 'rflags';
  return NAMES[architecture.name][number];
}
