/**
 * The register interfaces of a local APIC (SDM vol. 3, chapter 10): the xAPIC page and the x2APIC MSRs, over one table.
 */
import type { AccessSize, RegisterBlock } from '../bus';
import type { Inspectable, StateNode, StatePath } from '../inspect';
import { describedAs, nodeAt, registerNodes, type ShownRegister } from '../registers';
import { lapicDescriptions } from './apic-descriptions';
import { LapicCore, type LapicHost, type LocalApicOptions } from './lapic-core';
import {
  ApicBase,
  ApicError,
  ApicMsr,
  ICR_WRITABLE,
  LAPIC_VERSION,
  Lapic,
  LVT_WRITABLE,
  lapicRegisterNames,
} from './lapic-registers';

import type { VectorBank } from './register-bank';

export type { LapicHost, LocalApicHardware, LocalApicOptions, LocalApicRun } from './lapic-core';

interface Register {
  read?: () => number;
  write?: (value: number) => void;
  /** Bits that may be set; x2APIC refuses others, the xAPIC ignores them. */
  valid: number;
  /** False: exists in the xAPIC page only. */
  x2: boolean;
}

/** In x2APIC mode the ID is fixed, and the LDR is derived from it (10.12.10.2). */
const X2_READ_ONLY: ReadonlySet<number> = new Set(
  [Lapic.Id, Lapic.Ldr].map((at) => ApicMsr.X2First + at / 16),
);

/** One local APIC. Its register block is the xAPIC page. */
export class LocalApic extends LapicCore implements RegisterBlock, Inspectable {
  /** High half of the last `msrRead`. */
  resultHigh = 0;
  private readonly registers: readonly (Register | undefined)[];

  constructor(options: LocalApicOptions, host: LapicHost) {
    super(options, host);
    this.registers = this.layOut();
  }

  read(offset: number, size: AccessSize): number {
    if (!this.mmioEnabled) return 0xffffffff;
    const register = this.registers[offset >> 4];
    if (!register?.read) {
      if (!register) this.error(ApicError.IllegalRegister);
      return 0;
    }
    return (offset & 15) + size > 4 ? 0 : register.read() >>> (8 * (offset & 15));
  }

  write(offset: number, size: AccessSize, value: number): void {
    // Anything but an aligned 32-bit store is undefined (10.4.1) and does nothing here.
    if (!this.mmioEnabled || size !== 4 || (offset & 15) !== 0) return;
    const register = this.registers[offset >> 4];
    if (!register || offset === Lapic.SelfIpi) this.error(ApicError.IllegalRegister);
    else register.write?.((value & register.valid) >>> 0);
  }

  registerName(offset: number): string | undefined {
    return lapicRegisterNames.get(offset & ~15);
  }

  /** The registers; of IRR, ISR and TMR the vectors that are set. */
  inspect(path: StatePath): StateNode | undefined {
    const banks = [
      { name: 'IRR', bank: this.irr, description: 'Interrupts that wait for the CPU (10.8.4).' },
      { name: 'ISR', bank: this.isr, description: 'Interrupts that the CPU serves (10.8.4).' },
      { name: 'TMR', bank: this.tmr, description: 'Those of them that are level-triggered (10.8.4).' },
    ];
    const mode = this.enabled ? (this.x2apic ? 'x2APIC' : 'xAPIC') : 'disabled';
    const children: StateNode[] = [
      { name: 'mode', value: { kind: 'text', value: mode } },
      ...banks.map(({ name, bank, description }): StateNode => ({
        name,
        description,
        value: { kind: 'text', value: vectorsText(bank) },
      })),
      ...registerNodes(this.shown()),
    ];
    return nodeAt({ name: 'LAPIC', children }, path);
  }

  /** The registers but the banks of vectors; reading any of them leaves it as it is. */
  private *shown(): Iterable<ShownRegister> {
    for (const [index, register] of this.registers.entries()) {
      const offset = index * 16;
      const name = lapicRegisterNames.get(offset);
      const isBank = offset >= Lapic.Isr && offset < Lapic.Esr;
      if (!register?.read || name === undefined || isBank) continue;
      yield {
        ...describedAs(lapicDescriptions, name),
        name,
        value: BigInt(register.read() >>> 0),
        bits: 32,
      };
    }
  }

  /** Whether `msrRead` and `msrWrite` are to be asked about this MSR. */
  static ownsMsr(index: number): boolean {
    return (
      index === ApicMsr.Base ||
      index === ApicMsr.TscDeadline ||
      (index >= ApicMsr.X2First && index <= ApicMsr.X2Last)
    );
  }

  /** RDMSR: returns the low half and leaves the high one in `resultHigh`; undefined raises #GP(0). */
  msrRead(index: number): number | undefined {
    this.resultHigh = 0;
    if (index === ApicMsr.Base) return this.base >>> 0;
    if (index === ApicMsr.TscDeadline) {
      const { low, high } = this.timer.readDeadline();
      this.resultHigh = high;
      return low;
    }
    if (!this.x2apic || !LocalApic.ownsMsr(index)) return undefined;
    if (index === ApicMsr.X2Icr) this.resultHigh = this.icrHigh;
    const register = this.registers[index - ApicMsr.X2First];
    return register?.x2 ? register.read?.() : undefined;
  }

  /** WRMSR; false raises #GP(0). */
  msrWrite(index: number, low: number, high: number): boolean {
    if (index === ApicMsr.Base) return this.writeBase(low, high);
    if (index === ApicMsr.TscDeadline) {
      this.timer.writeDeadline(low, high);
      return true;
    }
    if (!this.x2apic || !LocalApic.ownsMsr(index)) return false;
    const register = this.registers[index - ApicMsr.X2First];
    const readOnly = X2_READ_ONLY.has(index);
    if (!register?.x2 || !register.write || readOnly || (low & ~register.valid) !== 0) return false;
    if (index === ApicMsr.X2Icr) this.icrHigh = high;
    else if (high !== 0) return false;
    register.write(low);
    return true;
  }

  private layOut(): (Register | undefined)[] {
    const table = new Array<Register | undefined>(64).fill(undefined);
    const at = (offset: number, register: Partial<Register>): void => {
      table[offset >> 4] = { valid: 0, x2: true, ...register };
    };
    at(Lapic.Id, {
      read: () => (this.x2apic ? this.id : (this.xapicId << 24) >>> 0),
      write: (value) => {
        this.xapicId = value >>> 24;
        this.host.identityChanged?.();
      },
      valid: 0xff000000,
    });
    at(Lapic.Version, { read: () => LAPIC_VERSION });
    at(Lapic.Tpr, { read: () => this.tpr, write: (value) => this.setTpr(value), valid: 0xff });
    at(Lapic.Apr, { read: () => this.ppr(), x2: false });
    at(Lapic.Ppr, { read: () => this.ppr() });
    at(Lapic.Eoi, { write: () => void this.eoi() });
    at(Lapic.Rrd, { read: () => 0, x2: false });
    at(Lapic.Ldr, {
      read: () => (this.x2apic ? this.logicalX2() : this.ldr),
      write: (value) => {
        this.ldr = value;
        this.host.identityChanged?.();
      },
      valid: 0xff000000,
    });
    at(Lapic.Dfr, {
      read: () => this.dfr,
      write: (value) => {
        this.dfr = (value | 0x0fffffff) >>> 0;
        this.host.identityChanged?.();
      },
      valid: 0xffffffff,
      x2: false,
    });
    at(Lapic.Svr, { read: () => this.svr, write: (value) => this.setSvr(value), valid: 0x3ff });
    for (let i = 0; i < 8; i++) {
      at(Lapic.Isr + i * 16, { read: () => this.isr.get(i) });
      at(Lapic.Tmr + i * 16, { read: () => this.tmr.get(i) });
      at(Lapic.Irr + i * 16, { read: () => this.irr.get(i) });
    }
    at(Lapic.Esr, { read: () => this.esr, write: () => this.latchErrors() });
    at(Lapic.IcrLow, { read: () => this.icrLow, write: (value) => this.sendIpi(value), valid: ICR_WRITABLE });
    at(Lapic.IcrHigh, {
      read: () => this.icrHigh,
      write: (value) => void (this.icrHigh = value),
      valid: 0xff000000,
      x2: false,
    });
    LVT_WRITABLE.forEach((valid, i) =>
      at(Lapic.LvtTimer + i * 16, {
        read: () => this.lvt.get(i),
        write: (value) => this.setLvt(i, value),
        valid,
      }),
    );
    at(Lapic.InitialCount, {
      read: () => this.timer.initial,
      write: (value) => {
        this.timer.initial = value;
        this.showTimer();
      },
      valid: 0xffffffff,
    });
    at(Lapic.CurrentCount, { read: () => this.timer.currentCount() });
    at(Lapic.Divide, {
      read: () => this.timer.divideConfiguration,
      write: (value) => {
        this.timer.divideConfiguration = value;
        this.showTimer();
      },
      valid: 0xb,
    });
    at(Lapic.SelfIpi, { write: (value) => this.selfIpi(value), valid: 0xff });
    return table;
  }

  /** IA32_APIC_BASE transitions of 10.12.5: disabled ↔ xAPIC → x2APIC → disabled; others raise #GP(0). */
  private writeBase(low: number, high: number): boolean {
    const legalBits = ApicBase.AddressMask | ApicBase.Enable | ApicBase.X2 | ApicBase.Bsp;
    if (high !== 0 || (low & ~legalBits) !== 0) return false;
    const enable = (low & ApicBase.Enable) !== 0;
    const x2 = (low & ApicBase.X2) !== 0;
    const wasEnabled = (this.base & ApicBase.Enable) !== 0;
    if (x2 && (!enable || !wasEnabled || !this.x2apicSupported)) return false;
    if (this.x2apic && enable && !x2) return false;
    this.base = ((low & ~ApicBase.Bsp) | (this.base & ApicBase.Bsp)) >>> 0;
    // Enabled again, it is as after power-up, the ID included (10.4.3); so it is under KVM on the way to x2APIC.
    if (wasEnabled && !enable) this.init();
    if (enable && (x2 || !wasEnabled)) this.xapicId = this.id & 0xff;
    this.update();
    this.host.identityChanged?.();
    this.host.baseChanged?.(this.pageAddress, this.mmioEnabled);
    return true;
  }
}

/** The vectors whose bits are set. */
function vectorsText(bank: VectorBank): string {
  const vectors = Array.from({ length: bank.count * 32 }, (_, vector) => vector);
  const set = vectors.filter((vector) => bank.has(vector));
  return set.length > 0 ? set.map((vector) => `0x${vector.toString(16)}`).join(', ') : 'none';
}
