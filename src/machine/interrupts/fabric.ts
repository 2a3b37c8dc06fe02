/**
 * The interrupt controllers of one machine, joined: pins of the IOAPIC and the 8259s, messages of devices, IPIs, a local APIC
 * for each CPU. A bare machine, a VM's in-kernel controllers and the host beneath the VMs are three of these.
 */
import type { AddressMap } from '../address-map';
import type { RequesterId } from '../bus';
import type { Inspectable, StateNode, StatePath } from '../inspect';
import { branches, type Branch } from '../registers';
import {
  SnapshotError,
  requireVersion,
  type Checkpoint,
  type HardwareState,
  type Migratable,
  type RunState,
} from '../snapshot';
import type { Cycles, EventTarget, Scheduler } from '../time/event-queue';
import { IOAPIC_BASE, IOAPIC_SIZE, IoApic, type IoApicHardware, type IoApicMessage } from './ioapic';
import { LocalApic, type LocalApicHardware, type LocalApicRun } from './lapic';
import { LapicPages } from './lapic-pages';
import type { TscToHostTime } from './lapic-timer';
import {
  decodeMsi,
  decodeUnitMessage,
  DeliveryMode,
  isMsiAddress,
  widened,
  type InterruptMessage,
  type IpiMessage,
} from './message';
import type { MessageRemapping } from './message-remapping';
import { PicPair, type PicPairHardware } from './pic';
import {
  RemappedMessages,
  type RemappedMessagesHardware,
  type RemappedMessagesRun,
} from './remapped-messages';
import { InterruptRouter } from './router';
import type { CpuSink, FabricObserver, MessageSource } from './sinks';

/** Global system interrupt of the interval timer: input 0 of the 8259 and, by an ISA override, input 2 of the IOAPIC. */
export const TIMER_GSI = 2;
const PIC_LINES = 16;
/** The 8259s' own wire to the IOAPIC, as a source there: above the numbers of named ones. */
const PIC_PIN = 0;
const PIC_SOURCE = 31;

/** Global system interrupt of an IRQ line of the ISA bus; undefined for the cascade, which is no device's. */
export function gsiOfIsaLine(line: number): number | undefined {
  if (line === 2) return undefined;
  return line === 0 ? TIMER_GSI : line;
}

/** Construction of an `InterruptFabric`. */
export interface FabricOptions {
  /** Unique in the run; stands before the names of its event targets: `vm0`. */
  name: string;
  scheduler: Scheduler & { register(target: EventTarget): void };
  /** One per CPU; the APIC IDs are their indices, and CPU 0 is the bootstrap processor. */
  cpus: readonly CpuSink[];
  observer: FabricObserver;
  /** Cycles of one undivided tick of the LAPIC timers: of a TSC at 3 GHz and an APIC bus at 1 GHz, 3. */
  timerCyclesPerTick: number;
  /** As `LocalApicOptions` has it. */
  timerLeastPeriod?: Cycles;
  x2apicSupported: boolean;
  /** One of `IOAPIC_VERSION`. */
  ioapicVersion: number;
  /** The 8259s' output is also input 0 of the IOAPIC, as on most boards (MP Specification 1.4, 3.6.2.2); KVM has no such wire. */
  picAtIoapic?: boolean;
  /** Of each CPU's TSC, which TSC deadlines are compared with; absent: the host's. */
  toHostTime?: ((cpu: number) => TscToHostTime | undefined) | undefined;
  /** Stands between the senders of messages, the IOAPIC among them, and the LAPICs; absent: nothing does. */
  remapping?: { unit: MessageRemapping; ioapicRequester: RequesterId } | undefined;
}

/** What the hardware has of an `InterruptFabric` with all its controllers. */
export interface FabricHardware extends HardwareState {
  version: 2;
  /**
   * By pin: whose wires lead there, in the order of their first time. The name of the machine is left out where a name begins
   * with it: the wires are the same on another.
   */
  sources: Record<string, string[]>;
  ioapic: IoApicHardware;
  pic: PicPairHardware;
  lapics: LocalApicHardware[];
  /** Where messages are remapped: those that are on their way. */
  remapped?: RemappedMessagesHardware;
}

/** What the run has of it. */
export interface FabricRun extends RunState {
  lapics: LocalApicRun[];
  remapped?: RemappedMessagesRun;
}

/** Interrupt controllers and what joins them. */
export class InterruptFabric implements Inspectable, Migratable<FabricHardware, FabricRun> {
  readonly ioapic: IoApic;
  /** The 8259s: their inputs are the IOAPIC's first sixteen, their output is the bootstrap processor's LINT0. */
  readonly pic: PicPair;
  private readonly lapics: LocalApic[];
  private readonly router: InterruptRouter;
  private readonly remapped: RemappedMessages | undefined;
  private readonly sources = new Map<number, string[]>();
  private pages: { settle(): void } | undefined;
  /** By global system interrupt: who is told of an end of interrupt. Whoever is has registered at its construction. */
  private readonly acknowledgedTo = new Map<number, (() => void)[]>();

  constructor(private readonly options: FabricOptions) {
    const { cpus } = options;
    this.pic = new PicPair(
      (asserted) => this.picChanged(asserted),
      (line) => this.acknowledged(line === 0 ? TIMER_GSI : line),
    );
    this.ioapic = new IoApic(
      (message) => this.fromIoapic(message),
      options.ioapicVersion,
      (pin) => this.acknowledged(pin),
      options.remapping !== undefined,
    );
    this.remapped = this.makeRemapped();
    this.lapics = cpus.map((sink, cpu) => this.makeLapic(sink, cpu));
    this.router = new InterruptRouter(this.lapics, {
      nmi: (cpu) => cpus[cpu]?.nmi(),
      init: (cpu) => cpus[cpu]?.init(),
      startUp: (cpu, page) => cpus[cpu]?.startUp(page),
    });
  }

  /** Puts the controllers' register pages into an address map, each region with its tag. */
  mapInto<T>(memory: AddressMap<T>, tags: { ioapic: T; lapic: T }): void {
    this.pages = new LapicPages(memory, this.lapics, tags.lapic);
    memory.add(IOAPIC_BASE, IOAPIC_SIZE, this.ioapic, tags.ioapic);
  }

  /** The controllers. */
  inspect(path: StatePath): StateNode | undefined {
    const lapics = this.lapics.map((lapic, cpu): Branch => ({
      name: `LAPIC ${cpu}`,
      at: (below) => lapic.inspect(below),
    }));
    const ioapic: Branch = { name: 'IOAPIC', at: (below) => this.ioapic.inspect(below) };
    const pic: Branch = { name: '8259', at: (below) => this.pic.inspect(below) };
    return branches('interrupts', [...lapics, ioapic, pic], path);
  }

  /**
   * A CPU's local APIC.
   * @throws RangeError when there is no such CPU
   */
  lapic(cpu: number): LocalApic {
    const lapic = this.lapics[cpu];
    if (!lapic) throw new RangeError(`${this.options.name} has no CPU ${cpu}`);
    return lapic;
  }

  /**
   * Level of one source at a global system interrupt: that input of the IOAPIC, and the 8259s' where they have it. The wire is
   * asserted while any source asserts it.
   * @param source unique at that input: the name of the device
   */
  setPin(gsi: number, source: string, asserted: boolean): void {
    this.ioapic.setPin(gsi, asserted, this.sourceNumber(gsi, source));
    const line = gsi === TIMER_GSI ? 0 : gsi;
    if (gsi > 0 && line < PIC_LINES) this.pic.setLine(line, this.ioapic.pinAsserted(gsi));
  }

  /**
   * Has somebody told of each end of interrupt at a global system interrupt: at the IOAPIC for a level, before a line that is
   * still asserted delivers again, and at the 8259s.
   */
  onAcknowledged(gsi: number, told: () => void): void {
    this.acknowledgedTo.set(gsi, [...(this.acknowledgedTo.get(gsi) ?? []), told]);
  }

  /**
   * A device has written a message. Returns how many LAPICs it reached: 0 also when the address is not one of interrupts. What is
   * remapped has not reached any yet, which takes time: of that, 1 says that the unit has let it through, and 0 that it has not.
   * @param address physical; the low 32 bits say whom it is for
   */
  msi(requester: RequesterId, address: number, data: number): number {
    const { remapped } = this;
    if (remapped) {
      if (!isMsiAddress(address)) return 0;
      const source: MessageSource = { from: 'msi', requester, address, data };
      return this.remap(source, data & 0xff, () => remapped.ofDevice(requester, { address, data })) ? 1 : 0;
    }
    const message = decodeMsi(address, data);
    return message ? this.deliver({ from: 'msi', requester, address, data }, message) : 0;
  }

  /**
   * A remapping unit interrupts on its own account, which nobody remaps (VT-d specification, 5.1.6). Returns how many LAPICs it
   * reached.
   * @param address with the upper half that the unit's register has for it
   */
  unitMessage(requester: RequesterId, address: number, data: number): number {
    const message = decodeUnitMessage(address, data);
    if (!message) return 0;
    let reached = 0;
    this.options.observer.message({ from: 'msi', requester, address, data }, message.vector, () => {
      reached = this.router.deliverWide(message).length;
    });
    return reached;
  }

  /** A CPU sends an IPI, by its LAPIC or by a hypercall. Returns how many LAPICs it reached. */
  ipi(sender: number, message: IpiMessage): number {
    return this.options.observer.ipi(sender, message, () => this.router.ipi(sender, message).length);
  }

  /** Indices of the CPUs that get the vector of a message of a device; of lowest priority they are all that it may go to. */
  fixedTargets(message: InterruptMessage): number[] {
    const isVector = message.mode === DeliveryMode.Fixed || message.mode === DeliveryMode.LowestPriority;
    return isVector ? this.router.matching(widened(message)) : [];
  }

  /** Indices of the CPUs that an IPI of one of them means. */
  ipiTargets(sender: number, message: IpiMessage): number[] {
    return this.router.targetsOf(sender, message);
  }

  /** As after power-on: the devices have taken back their pins, or take them back now. */
  reset(): void {
    this.ioapic.reset();
    this.pic.reset();
    this.remapped?.reset();
    for (const lapic of this.lapics) lapic.reset();
    this.pages?.settle();
  }

  save(): Checkpoint<FabricHardware, FabricRun> {
    const { ioapic, pic } = this;
    const lapics = this.lapics.map((lapic) => lapic.save());
    const remapped = this.remapped?.save();
    const { name } = this.options;
    const sources = [...this.sources].map(([gsi, names]): [string, string[]] => [
      String(gsi),
      names.map((source) => (source.startsWith(`${name}/`) ? source.slice(name.length) : source)),
    ]);
    return {
      hardware: {
        version: 2,
        sources: Object.fromEntries(sources),
        ioapic: ioapic.save().hardware,
        pic: pic.save().hardware,
        lapics: lapics.map(({ hardware }) => hardware),
        ...(remapped && { remapped: remapped.hardware }),
      },
      run: { lapics: lapics.map(({ run }) => run), ...(remapped && { remapped: remapped.run }) },
    };
  }

  load({ hardware, run }: Checkpoint<FabricHardware, FabricRun>): void {
    this.loadWires(hardware);
    this.ioapic.load({ hardware: hardware.ioapic, run: {} });
    this.pic.load({ hardware: hardware.pic, run: {} });
    this.lapics.forEach((lapic, cpu) => lapic.load({ hardware: hardware.lapics[cpu], run: run.lapics[cpu] }));
    if (hardware.remapped && run.remapped)
      this.remapped?.load({ hardware: hardware.remapped, run: run.remapped });
    this.pages?.settle();
  }

  /** The wires have the levels that they had; devices may drive them to these again, which changes nothing. */
  adopt(hardware: FabricHardware): void {
    this.loadWires(hardware);
    this.ioapic.adopt(hardware.ioapic);
    // The 8259s' output is a wire of the fabric: those at its other end know its level by their own state.
    this.pic.load({ hardware: hardware.pic, run: {} });
    this.lapics.forEach((lapic, cpu) => lapic.adopt(hardware.lapics[cpu]));
    if (hardware.remapped) this.remapped?.adopt(hardware.remapped);
    this.pages?.settle();
  }

  private loadWires({ version, lapics, sources, remapped }: FabricHardware): void {
    const { name } = this.options;
    requireVersion('the interrupt controllers', version, 2);
    if ((remapped !== undefined) !== (this.remapped !== undefined)) {
      const [there, here] = remapped ? ['remaps', 'does not'] : ['does not remap', 'does'];
      throw new SnapshotError(`snapshot of ${name} ${there} interrupt messages, this machine ${here}`);
    }
    if (lapics.length !== this.lapics.length) {
      throw new SnapshotError(
        `snapshot of ${name} has ${lapics.length} local APICs, this machine has ${this.lapics.length}`,
      );
    }
    this.sources.clear();
    for (const [gsi, names] of Object.entries(sources)) {
      const here = names.map((source) => (source.startsWith('/') ? name + source : source));
      this.sources.set(Number(gsi), here);
    }
  }

  private makeLapic(sink: CpuSink, cpu: number): LocalApic {
    const { name, scheduler, observer, timerCyclesPerTick, timerLeastPeriod, x2apicSupported, toHostTime } =
      this.options;
    const lapic = new LocalApic(
      {
        id: cpu,
        bootstrap: cpu === 0,
        name: `${name}/lapic${cpu}`,
        scheduler,
        timerCyclesPerTick,
        ...(timerLeastPeriod !== undefined && { timerLeastPeriod }),
        x2apicSupported,
        virtualWire: cpu === 0,
        page: sink.page,
        toHostTime: toHostTime?.(cpu),
      },
      {
        output: (asserted) => {
          if (asserted) sink.interrupt();
        },
        eoiBroadcast: (vector) => this.ioapic.eoi(vector),
        ...(sink.post && { post: (vector: number) => sink.post?.(vector) }),
        ipi: (message) => void this.ipi(cpu, message),
        nmi: () => sink.nmi(),
        timerExpired: (accept) => sink.ownTimer(accept),
        external: this.pic,
        baseChanged: () => this.pages?.settle(),
        identityChanged: () => sink.identityChanged?.(),
        accepted: (vector) => observer.accepted(cpu, vector),
        ended: (vector) => observer.ended(cpu, vector),
      },
    );
    scheduler.register(lapic.timer);
    return lapic;
  }

  private acknowledged(gsi: number): void {
    for (const told of this.acknowledgedTo.get(gsi) ?? []) told();
  }

  private picChanged(asserted: boolean): void {
    this.lapics[0]?.setLint(0, asserted);
    if (this.options.picAtIoapic) this.ioapic.setPin(PIC_PIN, asserted, PIC_SOURCE);
  }

  private makeRemapped(): RemappedMessages | undefined {
    const { name, scheduler, remapping } = this.options;
    if (!remapping) return undefined;
    return new RemappedMessages({
      eventTargetId: `${name}/remapped-messages`,
      scheduler,
      ...remapping,
      deliver: (message, pin) => {
        const reached = this.router.deliverWide(message).length;
        if (reached === 0 && pin !== undefined) this.ioapic.refused(pin);
      },
    });
  }

  private fromIoapic(message: IoApicMessage): boolean {
    const { remapped } = this;
    const { pin, vector } = message;
    const source: MessageSource = { from: 'ioapic', pin };
    if (!remapped) return this.deliver(source, message) > 0;
    return this.remap(source, vector, () => remapped.ofPin(pin, this.ioapic.request(pin)));
  }

  /** Sends a request through the remapping unit, which has its own observer; false when it is refused. */
  private remap(source: MessageSource, vector: number, send: () => boolean): boolean {
    let through = false;
    this.options.observer.message(source, vector, () => {
      through = send();
    });
    return through;
  }

  private deliver(source: MessageSource, message: InterruptMessage | IoApicMessage): number {
    let reached = 0;
    const external = message.mode === DeliveryMode.ExtInt;
    const vector = external ? this.pic.pendingVector : message.vector;
    this.options.observer.message(source, vector, () => {
      reached = this.router.deliver(message).length;
    });
    return reached;
  }

  /** Sources are numbers to the IOAPIC: those of one input are counted from 0. */
  private sourceNumber(gsi: number, source: string): number {
    let names = this.sources.get(gsi);
    if (!names) this.sources.set(gsi, (names = []));
    let number = names.indexOf(source);
    if (number < 0) number = names.push(source) - 1;
    return number;
  }
}
