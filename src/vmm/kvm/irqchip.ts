/**
 * KVM's interrupt controllers: an IOAPIC and one LAPIC per vCPU, served in the host kernel, so that no access to them ever
 * goes on to QEMU.
 */
import type { Stateful } from '../../machine/bus';
import { IoApic, type IoApicMessage } from '../../machine/interrupts/ioapic';
import { LocalApic } from '../../machine/interrupts/lapic';
import { lapicRegisterNames } from '../../machine/interrupts/lapic-registers';
import { PicPair } from '../../machine/interrupts/pic';
import { InterruptRouter } from '../../machine/interrupts/router';
import { DeliveryMode, type IpiMessage } from '../../machine/interrupts/message';
import { requireVersion } from '../../machine/snapshot';
import { Kind } from '../../trace/vocabulary/events';
import type { Host } from '../host';
import { LapicPages } from './lapic-pages';
import type { KvmVm } from './vm';
import type { KvmVcpu } from './vcpu';

/** KVM's APIC bus runs at 1 GHz (KVM_APIC_BUS_FREQUENCY). */
const APIC_BUS_HZ = 1e9;
/** The timer's interrupt is at input 0 of the 8259 and, by an ISA override, at input 2 of the IOAPIC. */
const TIMER_PIN = 2;
const PIC_LINES = 16;

/** Snapshot of an `IrqChip`; its controllers have snapshots of their own. */
export interface IrqChipState {
  version: 1;
  /** Who has driven pins, in the order of their first time. */
  sources: string[];
  accessing: number;
}

/** How IPIs that are not vectors are shown: kind and arguments. */
const ipiRows: Record<number, (message: IpiMessage) => readonly [kind: number, a: number, b: number]> = {
  [DeliveryMode.Init]: ({ destination }) => [Kind.IpiInit, destination, 0],
  [DeliveryMode.StartUp]: ({ vector, destination }) => [Kind.IpiStartUp, vector, destination],
  [DeliveryMode.Nmi]: ({ destination }) => [Kind.IpiNmi, destination, 0],
};

/** The interrupt controllers of one VM. */
export class IrqChip implements Stateful<IrqChipState> {
  readonly ioapic: IoApic;
  /** The 8259s: their inputs are the IOAPIC's first sixteen, their output is the bootstrap processor's LINT0. */
  readonly pic = new PicPair((asserted) => this.lapics[0]?.setLint(0, asserted));
  /** Track of the IOAPIC, and of all LAPIC registers. */
  readonly ioapicTrack: number;
  readonly lapicTrack: number;
  private readonly lapics: LocalApic[] = [];
  private readonly router: InterruptRouter;
  private readonly pages: LapicPages;
  private readonly sources = new Map<string, number>();
  private accessing = 0;

  constructor(
    private readonly host: Host,
    private readonly vm: KvmVm,
  ) {
    const { tracer } = host;
    const names = Object.fromEntries([...lapicRegisterNames].map(([offset, name]) => [String(offset), name]));
    const common = { type: 'irqchip', group: vm.name, vm: vm.index } as const;
    this.ioapicTrack = tracer.addTrack({
      ...common,
      name: 'IOAPIC',
      registers: { '0': 'IOREGSEL', '16': 'IOWIN', '64': 'EOI' },
    });
    this.lapicTrack = tracer.addTrack({ ...common, name: 'LAPIC', registers: names });
    this.ioapic = new IoApic((message) => this.routed(message));
    host.units.keep(`${vm.name}/irqchip`, this);
    host.units.keep(`${vm.name}/ioapic`, this.ioapic);
    this.pages = new LapicPages(vm.mmio, this.lapicTrack, () => this.lapicOf(this.accessing));
    host.units.keep(`${vm.name}/lapic-pages`, this.pages);
    this.router = new InterruptRouter(this.lapics, {
      nmi: (cpu) => vm.vcpus[cpu]?.arrivals.nmi(),
      init: (cpu) => vm.vcpus[cpu]?.arrivals.init(),
      startUp: (cpu, page) => vm.vcpus[cpu]?.arrivals.startUp(page),
    });
  }

  /** Gives a vCPU its LAPIC. */
  addVcpu(vcpu: KvmVcpu, id: number): void {
    const { host } = this;
    const lapic = new LocalApic(
      {
        id,
        bootstrap: id === 0,
        name: `${this.vm.name}/lapic${id}`,
        scheduler: host.queue,
        timerCyclesPerTick: host.frequencyHz / APIC_BUS_HZ,
        x2apicSupported: this.vm.features.x2apic,
        virtualWire: id === 0,
      },
      {
        output: (asserted) => {
          if (asserted) vcpu.arrivals.interrupt();
        },
        eoiBroadcast: (vector) => this.ioapic.eoi(vector),
        ipi: (message) => this.sendFrom(id, message),
        nmi: () => vcpu.arrivals.nmi(),
        ...(id === 0 && { external: this.pic }),
        baseChanged: () => this.pages.settle(this.lapics.map((each) => each.pageAddress)),
        accepted: (vector) => vcpu.injection.accepted(vector),
        ended: (vector) => {
          const { tracer } = host;
          tracer.cause = tracer.instant(host.now(), vcpu.injection.track, Kind.IrqEoi, vector, 0);
        },
      },
    );
    host.queue.register(lapic.timer);
    host.units.keep(`${this.vm.name}/lapic${id}`, lapic);
    this.lapics[id] = lapic;
    this.pages.settle(this.lapics.map((each) => each.pageAddress));
  }

  /** The LAPIC of a vCPU, which is now the one that accesses the page. */
  lapicFor(id: number): LocalApic {
    this.accessing = id;
    return this.lapicOf(id);
  }

  /** Level of one source at an IOAPIC pin (KVM_IRQ_LINE). */
  setPin(pin: number, source: string, asserted: boolean): void {
    let number = this.sources.get(source);
    if (number === undefined) this.sources.set(source, (number = this.sources.size));
    this.ioapic.setPin(pin, asserted, number);
    const line = pin === TIMER_PIN ? 0 : pin;
    if (pin > 0 && line < PIC_LINES) this.pic.setLine(line, this.ioapic.pinAsserted(pin));
  }

  save(): IrqChipState {
    return { version: 1, sources: [...this.sources.keys()], accessing: this.accessing };
  }

  load(state: IrqChipState): void {
    requireVersion('the interrupt controllers', state.version, 1);
    this.sources.clear();
    state.sources.forEach((source, number) => this.sources.set(source, number));
    this.accessing = state.accessing;
  }

  /** An inter-processor interrupt of a vCPU. Returns how many LAPICs it reached. */
  sendFrom(sender: number, message: IpiMessage): number {
    const { host, vm } = this;
    const { tracer } = host;
    const track = vm.vcpus[sender]?.injection.track ?? this.lapicTrack;
    const { vector, destination } = message;
    const [kind, a, b] = ipiRows[message.mode]?.(message) ?? [Kind.IpiSend, vector, destination];
    tracer.cause = tracer.instant(host.now(), track, kind, a, b);
    return this.router.ipi(sender, message).length;
  }

  private lapicOf(id: number): LocalApic {
    const lapic = this.lapics[id];
    if (!lapic) throw new RangeError(`${this.vm.name} has no vCPU ${id}`);
    return lapic;
  }

  private routed(message: IoApicMessage): void {
    const { tracer } = this.host;
    const before = tracer.cause;
    tracer.cause = tracer.instant(
      this.host.now(),
      this.ioapicTrack,
      Kind.IoapicRoute,
      message.pin,
      message.vector,
    );
    this.router.deliver(message);
    tracer.cause = before;
  }
}
