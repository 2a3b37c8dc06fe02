/** What of a guest's local APIC the processor serves without an exit, by the mode of its interrupts. */
import type { LocalApic } from '../../machine/interrupts/lapic';
import { Lapic, LVT_WRITABLE } from '../../machine/interrupts/lapic-registers';
import { VmxExit } from '../../trace/vocabulary/vmx-exit-reasons';
import type { CostKey } from '../cost-keys';
import type { InterruptMode } from '../interrupt-modes';
import { SvmReason } from './processor';

/** Registers by their offsets in the xAPIC page; that of an x2APIC MSR is its number from 800H on, times 16. */
type Registers = ReadonlySet<number>;

/** What the processor does with accesses to the xAPIC page. */
export interface ApicPageRules {
  readonly reads: Registers;
  /** Writes that it takes into the page; it serves some, and behind the others it leaves. */
  readonly writes: Registers;
  /** Whether it serves a write of a value to one of them. */
  serves(offset: number, value: number): boolean;
  /** Reason of the exit behind a write that it does not serve. */
  exitBehind(offset: number): number;
}

/** The rules of one mode. */
export interface ApicRules {
  /** Absent: each access to the page is an exit. */
  readonly page?: ApicPageRules;
  /** Clear bits in the MSR bitmap: of reads and of writes. */
  readonly msrs: { readonly reads: Registers; readonly writes: Registers };
  /** What an access takes. */
  readonly cost: CostKey;
  /** The processor delivers pending vectors itself while the guest runs; otherwise KVM injects them at an entry. */
  readonly delivers: boolean;
  /** Whether a guest may write EOI without an exit in place of the write: by what is in service. */
  endsItself(lapic: LocalApic): boolean;
  /** Reason of the exit behind an EOI that an IOAPIC waits for. */
  readonly eoiExit: number;
  /** The vector is out of service by then; otherwise KVM does all of that. */
  readonly endsLevels: boolean;
}

const NONE: Registers = new Set();
const range = (first: number, count: number): number[] =>
  Array.from({ length: count }, (_, i) => first + i * 16);

/** Three banks of eight, and all entries of the local vector table. */
const vectorBanks = range(Lapic.Isr, 24);
const localVectors = range(Lapic.LvtTimer, LVT_WRITABLE.length);
const interruptCommand = [Lapic.IcrLow, Lapic.IcrHigh];
/** Registers that software both reads and writes. */
const writable = [
  Lapic.Id,
  Lapic.Tpr,
  Lapic.Ldr,
  Lapic.Dfr,
  Lapic.Svr,
  Lapic.Esr,
  Lapic.InitialCount,
  Lapic.Divide,
];

/**
 * The IOAPIC of a VM is KVM's: it has to see the end of a level. The hole in the bitmap is closed at the entry that injects one,
 * and opened by the exit that its end makes.
 */
const directEoi: ApicRules = {
  msrs: { reads: NONE, writes: new Set([Lapic.Eoi]) },
  cost: 'bus.apic',
  delivers: false,
  endsItself: (lapic) => !lapic.isLevel(lapic.highestInService()),
  eoiExit: VmxExit.EOI_INDUCED,
  endsLevels: true,
};

/** Bits of the low half of the ICR that have to be 0 but for the shorthand, which has to be "self" (SDM vol. 3, 30.4.3.2). */
const ICR_SELF_MASK = 0xffffb700;
const ICR_SELF = 1 << 18;
/** Vectors below this are reserved. */
const FIRST_VECTOR = 16;

/** Whether a write to the low half of the ICR is a self-IPI that the processor sends itself. */
function isSelfIpi(value: number): boolean {
  return (value & ICR_SELF_MASK) === ICR_SELF && (value & 0xff) >= FIRST_VECTOR;
}

/**
 * APIC virtualisation with "APIC-register virtualization" and "virtual-interrupt delivery" (SDM vol. 3, 30.4.2 and 30.4.3 for the
 * page, 30.5 for the MSRs, whose bitmap is as KVM sets it: `vmx_update_msr_bitmap_x2apic`).
 */
const apicv: ApicRules = {
  page: {
    reads: new Set([
      Lapic.Version,
      Lapic.Eoi,
      ...writable,
      ...vectorBanks,
      ...interruptCommand,
      ...localVectors,
    ]),
    writes: new Set([Lapic.Eoi, ...writable, ...interruptCommand, ...localVectors]),
    serves: (offset, value) =>
      offset === Lapic.Tpr || offset === Lapic.IcrHigh || (offset === Lapic.IcrLow && isSelfIpi(value)),
    exitBehind: () => VmxExit.APIC_WRITE,
  },
  msrs: {
    // All but the current count, which is that of a timer of the host.
    reads: new Set([Lapic.Version, Lapic.Ppr, ...writable, ...vectorBanks, Lapic.IcrLow, ...localVectors]),
    writes: new Set([Lapic.Tpr, Lapic.Eoi, Lapic.SelfIpi]),
  },
  cost: 'apic.virtual',
  delivers: true,
  endsItself: () => true,
  eoiExit: VmxExit.EOI_INDUCED,
  endsLevels: true,
};

/** The hole in the bitmap leads to the physical local APIC, and is closed while something that KVM has injected is in service. */
const eli: ApicRules = { ...directEoi, endsItself: (lapic) => lapic.highestInService() < 0 };

/**
 * AVIC (AMD64 vol. 2, 15.29.3, table of guest vAPIC register accesses): most registers are read from the backing page, TPR and ICR
 * are written there, the others leave behind the write. Of an IPI it leaves what the tables do not carry.
 */
const avic: ApicRules = {
  page: {
    reads: new Set([
      Lapic.Version,
      Lapic.Ppr,
      ...writable,
      ...vectorBanks,
      ...interruptCommand,
      ...localVectors,
    ]),
    writes: new Set([Lapic.Eoi, ...writable, ...interruptCommand, ...localVectors]),
    // An IPI is sent by the tables (`AvicIpis`).
    serves: (offset) => offset === Lapic.Tpr || offset === Lapic.IcrHigh,
    exitBehind: () => SvmReason.NoAcceleration,
  },
  msrs: { reads: NONE, writes: NONE },
  cost: 'apic.virtual',
  delivers: true,
  endsItself: () => true,
  eoiExit: SvmReason.NoAcceleration,
  endsLevels: false,
};

/** By mode; absent: every access is an exit. */
export const apicRules: Readonly<Partial<Record<InterruptMode, ApicRules>>> = {
  'direct-eoi': directEoi,
  apicv,
  posted: apicv,
  eli,
  avic,
};
