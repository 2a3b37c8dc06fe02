/**
 * The way of one register access through KVM and, where it belongs to a device, on to QEMU: what it costs up to the access,
 * the access itself, and the way back.
 */
import type { Region } from '../../machine/address-map';
import type { Cpu } from '../../machine/x86/types';
import { LocalApic } from '../../machine/interrupts/lapic';
import { requireVersion } from '../../machine/snapshot';
import { Kind } from '../../trace/vocabulary/events';
import type { RowRef } from '../../trace/record/tracer';
import { VmxExit } from '../../trace/vocabulary/vmx-exit-reasons';
import type { CostKey } from '../cost-keys';
import type { Host } from '../host';
import type { ExitTimeline } from './exits';
import { readMsr, writeMsr } from './msrs';
import type { KvmVm, RegionTag } from './vm';

const PAGE = 4096;

/** Kinds of accesses. */
export const Access = { MmioRead: 0, MmioWrite: 1, PortIn: 2, PortOut: 3, MsrRead: 4, MsrWrite: 5 } as const;

/** Snapshot of an `AccessPath`. */
export interface AccessPathState {
  version: 1;
  touchedPages: number[];
  lastPage: number;
  inUser: boolean;
}

/** The accesses of one vCPU. */
export class AccessPath {
  /** High half of the last answer, and false when it is #GP. */
  high = 0;
  known = true;
  /** Pages that KVM has a special EPT entry for, and the one of the last access. */
  private readonly touchedPages = new Set<number>();
  private lastPage = -1;
  /** The access has gone on to QEMU. */
  private inUser = false;
  /** The register access that is being served. */
  private accessRow: RowRef = 0;

  constructor(
    private readonly host: Host,
    private readonly vm: KvmVm,
    private readonly cpu: Cpu,
    private readonly exits: ExitTimeline,
  ) {}

  /** The guest leaves for an access; afterwards it is the access's time. `cause` as for `ExitTimeline.begin`. */
  begin(kind: number, address: number, low: number, cause: RowRef): void {
    if (kind <= Access.MmioWrite) this.beginMemory(address, low, cause);
    else if (kind <= Access.PortOut) {
      this.exits.begin(VmxExit.IO_INSTRUCTION, address, low, cause);
      this.kernel('kvm.pio');
      this.goOn(this.vm.ports.find(address));
    } else {
      const reason = kind === Access.MsrRead ? VmxExit.MSR_READ : VmxExit.MSR_WRITE;
      this.exits.begin(reason, address, low, cause);
      this.kernel('kvm.msr');
    }
  }

  /** The access itself. Returns the low half of what was read, 0 for a write; leaves the rest in `high` and `known`. */
  perform(kind: number, address: number, size: number, low: number, high: number): number {
    this.high = 0;
    this.known = true;
    switch (kind) {
      case Access.MmioRead:
        return this.readMemory(address, size);
      case Access.MmioWrite:
        this.begun(this.vm.mmio.find(address), address, Kind.MmioWrite, low);
        this.vm.irqchip.lapicFor(this.cpu.index);
        this.vm.mmio.write(address, size, low, high);
        return 0;
      case Access.PortIn:
        return this.readPort(address, size);
      case Access.PortOut:
        this.begun(this.vm.ports.find(address), address, Kind.PioOut, low);
        this.vm.ports.write(address, size, low);
        return 0;
      case Access.MsrRead:
        return this.readMsr(address);
      default:
        this.known = LocalApic.ownsMsr(address)
          ? this.vm.irqchip.lapicFor(this.cpu.index).msrWrite(address, low, high)
          : writeMsr(address, this.vm.features.vendor);
        return 0;
    }
  }

  /** The way back to KVM's last step before the entry. */
  end(): void {
    if (!this.inUser) return;
    this.inUser = false;
    this.exits.leaveUser();
  }

  save(): AccessPathState {
    return {
      version: 1,
      touchedPages: [...this.touchedPages],
      lastPage: this.lastPage,
      inUser: this.inUser,
    };
  }

  load(state: AccessPathState): void {
    requireVersion('the way of accesses of a vCPU', state.version, 1);
    this.touchedPages.clear();
    for (const page of state.touchedPages) this.touchedPages.add(page);
    this.lastPage = state.lastPage;
    this.inUser = state.inUser;
  }

  private beginMemory(address: number, value: number, cause: RowRef): void {
    const { costs } = this.host;
    const region = this.vm.mmio.find(address);
    const unit = region ? region.tag.unit : 'device';
    let cycles = costs['exit.hardware'] + costs['kvm.dispatch'];
    if (unit === 'lapic') {
      this.exits.begin(VmxExit.APIC_ACCESS, address % PAGE, value, cause);
      cycles += costs['kvm.apic'];
    } else {
      const first = this.touch(address);
      this.exits.begin(first ? VmxExit.EPT_VIOLATION : VmxExit.EPT_MISCONFIG, address, value, cause);
      cycles += costs['kvm.mmio'];
      if (unit === 'ioapic') cycles += costs['kvm.ioapic'];
      if (first) cycles += costs['kvm.eptViolation'];
    }
    this.exits.kernel(cycles);
    this.goOn(region);
  }

  private readMemory(address: number, size: number): number {
    const { mmio, irqchip } = this.vm;
    const region = mmio.find(address);
    this.begun(region, address, Kind.MmioRead, 0);
    irqchip.lapicFor(this.cpu.index);
    const value = mmio.read(address, size);
    this.high = mmio.resultHigh;
    this.answered(region, address, value);
    this.exits.setArgs(region?.tag.unit === 'lapic' ? address % PAGE : address, value);
    return value;
  }

  private readPort(port: number, size: number): number {
    const { ports } = this.vm;
    const region = ports.find(port);
    this.begun(region, port, Kind.PioIn, 0);
    const value = ports.read(port, size);
    this.answered(region, port, value);
    this.exits.setArgs(port, value);
    return value;
  }

  private readMsr(index: number): number {
    let low: number | undefined;
    if (LocalApic.ownsMsr(index)) {
      const lapic = this.vm.irqchip.lapicFor(this.cpu.index);
      low = lapic.msrRead(index);
      this.high = lapic.resultHigh;
    } else {
      const kept = readMsr(index, this.vm.features.vendor);
      low = kept?.low;
      this.high = kept?.high ?? 0;
    }
    this.known = low !== undefined;
    this.exits.setArgs(index, low ?? 0);
    return low ?? 0;
  }

  private kernel(work: CostKey): void {
    const { costs } = this.host;
    this.exits.kernel(costs['exit.hardware'] + costs['kvm.dispatch'] + costs[work]);
  }

  /** KVM serves its own interrupt controllers; everything else is QEMU's. */
  private goOn(region: Region<RegionTag> | undefined): void {
    if (region?.tag.inKernel) return;
    this.inUser = true;
    this.exits.enterUser();
  }

  /** The register access is an event on its device's track, and the cause of what the device does. */
  private begun(region: Region<RegionTag> | undefined, address: number, kind: number, value: number): void {
    if (!region) return;
    const { tracer } = this.host;
    const offset = address - region.base + region.tag.offset;
    this.accessRow = tracer.instant(this.cpu.now(), region.tag.track, kind, offset, value);
    tracer.cause = this.accessRow;
  }

  /** The value is known once the device has answered; what it did for the answer hangs on the access all the same. */
  private answered(region: Region<RegionTag> | undefined, address: number, value: number): void {
    if (region) this.host.tracer.setArgs(this.accessRow, address - region.base + region.tag.offset, value);
  }

  /** Notes that a page has been accessed; true the first time. */
  private touch(address: number): boolean {
    const page = Math.floor(address / PAGE);
    if (page === this.lastPage) return false;
    this.lastPage = page;
    if (this.touchedPages.has(page)) return false;
    this.touchedPages.add(page);
    return true;
  }
}
