/** Offsets, bits and masks of the local APIC (SDM vol. 3, table 10-1 and 10-6). */

/** Register offsets of the xAPIC page; the x2APIC MSR is 0x800 + offset / 16. */
export const Lapic = {
  Id: 0x20,
  Version: 0x30,
  Tpr: 0x80,
  Apr: 0x90,
  Ppr: 0xa0,
  Eoi: 0xb0,
  Rrd: 0xc0,
  Ldr: 0xd0,
  Dfr: 0xe0,
  Svr: 0xf0,
  Isr: 0x100,
  Tmr: 0x180,
  Irr: 0x200,
  Esr: 0x280,
  IcrLow: 0x300,
  IcrHigh: 0x310,
  LvtTimer: 0x320,
  LvtThermal: 0x330,
  LvtPerf: 0x340,
  LvtLint0: 0x350,
  LvtLint1: 0x360,
  LvtError: 0x370,
  InitialCount: 0x380,
  CurrentCount: 0x390,
  Divide: 0x3e0,
  SelfIpi: 0x3f0,
} as const;

/** MSRs that belong to the local APIC. */
export const ApicMsr = {
  Base: 0x1b,
  TscDeadline: 0x6e0,
  X2First: 0x800,
  X2Last: 0x8ff,
  X2Icr: 0x830,
  X2Icr2: 0x831,
} as const;

/** Bits of IA32_APIC_BASE (10.4.4). */
export const ApicBase = { Bsp: 1 << 8, X2: 1 << 10, Enable: 1 << 11, AddressMask: 0xfffff000 } as const;

/** Error status register bits (10.5.3). */
export const ApicError = {
  SendIllegalVector: 1 << 5,
  ReceiveIllegalVector: 1 << 6,
  IllegalRegister: 1 << 7,
} as const;

export const LVT_MASKED = 1 << 16;
export const SVR_ENABLE = 1 << 8;
/** Version 0x14 with six LVT entries (highest entry number 5). */
export const LAPIC_VERSION = 0x00050014;
/** Physical address of the xAPIC page after reset, and its size. */
export const LAPIC_BASE = 0xfee00000;
export const LAPIC_SIZE = 0x1000;

/** Writable bits of each LVT entry, in the order of the offsets from LvtTimer. */
export const LVT_WRITABLE: readonly number[] = [0x700ff, 0x107ff, 0x107ff, 0x1a7ff, 0x1a7ff, 0x100ff];
/** Writable bits of the low half of the ICR: bit 12 (delivery status) is read-only and always idle here. */
export const ICR_WRITABLE = 0xcefff;

const single: [number, string][] = [
  [Lapic.Id, 'ID'],
  [Lapic.Version, 'VERSION'],
  [Lapic.Tpr, 'TPR'],
  [Lapic.Apr, 'APR'],
  [Lapic.Ppr, 'PPR'],
  [Lapic.Eoi, 'EOI'],
  [Lapic.Rrd, 'RRD'],
  [Lapic.Ldr, 'LDR'],
  [Lapic.Dfr, 'DFR'],
  [Lapic.Svr, 'SVR'],
  [Lapic.Esr, 'ESR'],
  [Lapic.IcrLow, 'ICR_LOW'],
  [Lapic.IcrHigh, 'ICR_HIGH'],
  [Lapic.LvtTimer, 'LVT_TIMER'],
  [Lapic.LvtThermal, 'LVT_THERMAL'],
  [Lapic.LvtPerf, 'LVT_PERF'],
  [Lapic.LvtLint0, 'LVT_LINT0'],
  [Lapic.LvtLint1, 'LVT_LINT1'],
  [Lapic.LvtError, 'LVT_ERROR'],
  [Lapic.InitialCount, 'TIMER_INITIAL'],
  [Lapic.CurrentCount, 'TIMER_CURRENT'],
  [Lapic.Divide, 'TIMER_DIVIDE'],
  [Lapic.SelfIpi, 'SELF_IPI'],
];

/** Register names by offset, for the trace. */
export const lapicRegisterNames: ReadonlyMap<number, string> = new Map([
  ...single,
  ...(['ISR', 'TMR', 'IRR'] as const).flatMap((name, bank) =>
    Array.from({ length: 8 }, (_, i): [number, string] => [Lapic.Isr + bank * 0x80 + i * 16, `${name}${i}`]),
  ),
]);
