/** What the bits of a vCPU's system registers mean (SDM vol. 1, 3.4.3; vol. 3, 2.2.1 and 2.5). */

/** Bits of a register with a name of their own. */
export interface RegisterField {
  readonly name: string;
  readonly low: number;
  readonly high: number;
  readonly meaning: string;
}

type Row = readonly [name: string, low: number, meaning: string, high?: number];

function fields(rows: readonly Row[]): readonly RegisterField[] {
  return rows.map(([name, low, meaning, high = low]) => ({ name, low, high, meaning }));
}

export const RFLAGS_FIELDS = fields([
  ['CF', 0, 'carry'],
  ['PF', 2, 'parity'],
  ['AF', 4, 'auxiliary carry'],
  ['ZF', 6, 'zero'],
  ['SF', 7, 'sign'],
  ['TF', 8, 'trap: single step'],
  ['IF', 9, 'interrupts enabled'],
  ['DF', 10, 'direction of strings'],
  ['OF', 11, 'overflow'],
  ['IOPL', 12, 'I/O privilege level', 13],
  ['NT', 14, 'nested task'],
  ['RF', 16, 'resume'],
  ['VM', 17, 'virtual-8086 mode'],
  ['AC', 18, 'alignment check'],
  ['VIF', 19, 'virtual interrupt flag'],
  ['VIP', 20, 'virtual interrupt pending'],
  ['ID', 21, 'CPUID can be used'],
]);

export const CR0_FIELDS = fields([
  ['PE', 0, 'protected mode'],
  ['MP', 1, 'monitor coprocessor'],
  ['EM', 2, 'emulate the FPU'],
  ['TS', 3, 'task switched'],
  ['ET', 4, 'extension type'],
  ['NE', 5, 'numeric errors raise #MF'],
  ['WP', 16, 'read-only pages are so for the kernel too'],
  ['AM', 18, 'alignment checks allowed'],
  ['NW', 29, 'not write-through'],
  ['CD', 30, 'caches disabled'],
  ['PG', 31, 'paging'],
]);

export const CR4_FIELDS = fields([
  ['VME', 0, 'virtual-8086 extensions'],
  ['PVI', 1, 'protected-mode virtual interrupts'],
  ['TSD', 2, 'RDTSC for the kernel only'],
  ['DE', 3, 'debugging extensions'],
  ['PSE', 4, 'pages of 4 MiB'],
  ['PAE', 5, 'physical address extension'],
  ['MCE', 6, 'machine checks'],
  ['PGE', 7, 'global pages'],
  ['PCE', 8, 'RDPMC for all'],
  ['OSFXSR', 9, 'SSE enabled'],
  ['OSXMMEXCPT', 10, 'SSE exceptions raise #XM'],
  ['UMIP', 11, 'no SGDT and its kin for users'],
  ['LA57', 12, 'five levels of paging'],
  ['VMXE', 13, 'VMX enabled'],
  ['SMXE', 14, 'SMX enabled'],
  ['FSGSBASE', 16, 'WRFSBASE and its kin'],
  ['PCIDE', 17, 'process-context identifiers'],
  ['OSXSAVE', 18, 'XSAVE enabled'],
  ['SMEP', 20, 'the kernel executes no user pages'],
  ['SMAP', 21, 'the kernel reads no user pages'],
  ['PKE', 22, 'protection keys'],
]);

export const EFER_FIELDS = fields([
  ['SCE', 0, 'SYSCALL enabled'],
  ['LME', 8, 'long mode enabled'],
  ['LMA', 10, 'long mode active'],
  ['NXE', 11, 'no-execute pages'],
  ['SVME', 12, 'SVM enabled'],
]);

/** The bits of a field in a value. */
export function fieldValue({ low, high }: RegisterField, value: bigint): bigint {
  return BigInt.asUintN(high - low + 1, value >> BigInt(low));
}

/** Names of the flags that are set, with the values of wider fields: `IF ZF IOPL=3`. */
export function setFields(all: readonly RegisterField[], value: bigint): string {
  const words = all.flatMap((field) => {
    const found = fieldValue(field, value);
    if (found === 0n) return [];
    return [field.low === field.high ? field.name : `${field.name}=${found}`];
  });
  return words.join(' ');
}
