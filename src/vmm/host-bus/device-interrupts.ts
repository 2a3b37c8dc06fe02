/**
 * The interrupts of one device of the host, as its kernel sets them up for whoever drives the device: by the pin, by MSI or by MSI-X,
 * with vectors of a physical CPU in the messages.
 */
import type { Stateful } from '../../machine/bus';
import { capabilitiesOf } from '../../machine/pci/capability-list';
import { CapabilityId, Command, Config } from '../../machine/pci/config';
import type { PciFunction } from '../../machine/pci/function';
import { requireVersion } from '../../machine/snapshot';
import { Kind } from '../../trace/vocabulary/events';
import type { Site } from '../host';
import type { HostIrqTarget, HostVectorPlace } from '../threads/host-vectors';
import type { MessageDomain, PostingTarget } from './message-domain';

/** Leads pins to the kernel. */
export interface IntxRouting {
  /** Has a global system interrupt come to a physical CPU, as a level. */
  route(gsi: number | undefined, cpu: number): void;
}

/** What the kernel reaches of the device. */
export interface InterruptHardware {
  readonly fn: PciFunction;
  /** The physical CPU, by its position in the island. */
  readonly affinity: number;
  /** Writes a 32-bit register of a BAR. */
  writeRegister(bar: number, offset: number, value: number): void;
  routeIntx(): void;
  readonly messages: MessageDomain;
  track(): number;
}

/** Whoever drives the device. */
export interface InterruptUser {
  /** A message has come, by its vector of the function; handlers run at the present instant. */
  messageCame(vector: number): void;
  /** The pin is asserted, and the kernel has silenced it (the command register's interrupt-disable bit). */
  pinCame(): void;
}

/** How the device interrupts. */
export type InterruptMode = 'off' | 'intx' | 'msi' | 'msix';

/** Snapshot of a `DeviceInterrupts`. */
export interface DeviceInterruptsState {
  version: 2;
  mode: InterruptMode;
  given: { vector: number; count: number; cpu: number; host: number; everywhere: boolean }[];
}

/** Vectors of the host that carry one of the function, or several from there. */
interface Given {
  readonly place: HostVectorPlace;
  readonly count: number;
  /** Nobody else has the vector on any CPU. */
  readonly everywhere: boolean;
}

/** Offsets in the capabilities (PCI Local Bus Specification 3.0, 6.8.1 and 6.8.2), and bits of their control words. */
const CONTROL_AT = 2;
const Msi = {
  address: 4,
  addressHigh: 8,
  data32: 8,
  data64: 12,
  enable: 1,
  wide: 1 << 7,
  countShift: 4,
} as const;
const Msix = { table: 4, enable: 1 << 15, functionMask: 1 << 14, entryBytes: 16, barBits: 7 } as const;
const MSI_COUNT_BITS = 7 << Msi.countShift;
/** Words of a table entry. */
const Entry = { address: 0, addressHigh: 4, data: 8, control: 12, masked: 1 } as const;

/** The interrupts of one device. */
export class DeviceInterrupts implements HostIrqTarget, Stateful<DeviceInterruptsState> {
  readonly hostIrqId: string;
  private user: InterruptUser | undefined;
  private now: InterruptMode = 'off';
  /** By vector of the function. */
  private readonly given = new Map<number, Given>();

  /** @param id unique in the run */
  constructor(
    private readonly site: Site,
    id: string,
    private readonly hardware: InterruptHardware,
  ) {
    this.hostIrqId = `${id}/irq`;
    site.scheduler.interrupts.vectors.register(this);
    site.units.keep(this.hostIrqId, this);
  }

  /** Who is told of its interrupts from now on. */
  connect(user: InterruptUser): void {
    this.user = user;
  }

  get mode(): InterruptMode {
    return this.now;
  }

  /** Whether a vector of MSI-X has one of the host's. */
  has(vector: number): boolean {
    return this.given.has(vector);
  }

  /** No interrupts: vectors are given back, messages are off, the pin is silenced. */
  off(): void {
    const { hardware } = this;
    this.setControl(CapabilityId.msi, Msi.enable, 0);
    this.setControl(CapabilityId.msix, Msix.enable, 0);
    for (const vector of [...this.given.keys()]) this.takeBack(vector);
    this.now = 'off';
    hardware.fn.write(Config.Command, 2, hardware.fn.command | Command.InterruptDisable);
  }

  /** By the pin, where there is one. */
  usePin(): void {
    this.off();
    if (this.hardware.fn.identity.interruptPin === 0) return;
    this.now = 'intx';
    this.hardware.routeIntx();
    this.unmaskPin();
  }

  /** By MSI, with so many vectors: as many as the kernel has for it. */
  useMsi(count: number): void {
    this.off();
    this.now = 'msi';
    const at = this.capability(CapabilityId.msi);
    const place = this.give(0, count);
    if (at === undefined || !place) return;
    const { fn, messages } = this.hardware;
    const control = fn.read(at + CONTROL_AT, 2);
    const { address, data } = messages.compose(fn.requester, 0, place, count);
    fn.write(at + Msi.address, 4, address);
    if ((control & Msi.wide) !== 0) fn.write(at + Msi.addressHigh, 4, 0);
    fn.write(at + ((control & Msi.wide) !== 0 ? Msi.data64 : Msi.data32), 2, data);
    const counted = (control & ~MSI_COUNT_BITS) | (Math.log2(count) << Msi.countShift);
    fn.write(at + CONTROL_AT, 2, counted | Msi.enable);
  }

  /** By MSI-X; each vector is masked until `useVector`. */
  useMsix(): void {
    this.off();
    this.now = 'msix';
    this.setControl(CapabilityId.msix, Msix.enable | Msix.functionMask, Msix.enable);
  }

  /**
   * Gives a vector of MSI-X one of the host's, and lets it go.
   * @param wanted the host's vector, if it has to be that one, which nobody else may have on any CPU then: if that cannot be, it
   * gets another
   * @returns the host's vector; undefined: there are none left
   */
  useVector(vector: number, wanted?: number): number | undefined {
    const before = this.given.get(vector)?.place.vector;
    if (before !== undefined && (wanted === undefined || wanted === before)) return before;
    const at = this.capability(CapabilityId.msix);
    if (at === undefined) return undefined;
    this.takeBack(vector);
    const place = this.give(vector, 1, wanted);
    if (!place) return undefined;
    const { hardware } = this;
    const table = hardware.fn.read(at + Msix.table, 4);
    const bar = table & Msix.barBits;
    const entry = table - bar + vector * Msix.entryBytes;
    const { address, data } = hardware.messages.compose(hardware.fn.requester, vector, place, 1);
    hardware.writeRegister(bar, entry + Entry.address, address);
    hardware.writeRegister(bar, entry + Entry.addressHigh, 0);
    hardware.writeRegister(bar, entry + Entry.data, data);
    hardware.writeRegister(bar, entry + Entry.control, 0);
    return place.vector;
  }

  /** Has a vector posted to a vCPU, or not any more: see `MessageDomain`. */
  postTo(vector: number, target: PostingTarget | undefined): boolean {
    const { fn, messages } = this.hardware;
    return this.has(vector) && messages.postTo(fn.requester, vector, target);
  }

  /** The pin may interrupt again; if it is still asserted, it does at once. */
  unmaskPin(): void {
    const { fn } = this.hardware;
    fn.write(Config.Command, 2, fn.command & ~Command.InterruptDisable);
  }

  /** The vector of the line that the pin shares has come: whose the interrupt is, the device's status tells. */
  lineCame(): void {
    const { fn } = this.hardware;
    if (this.now !== 'intx' || !fn.interruptAsserted) return;
    fn.write(Config.Command, 2, fn.command | Command.InterruptDisable);
    this.user?.pinCame();
  }

  onHostIrq(vector: number): void {
    this.user?.messageCame(vector);
  }

  save(): DeviceInterruptsState {
    const given = [...this.given].map(([vector, { place, count, everywhere }]) => ({
      vector,
      count,
      cpu: place.cpu,
      host: place.vector,
      everywhere,
    }));
    return { version: 2, mode: this.now, given };
  }

  load(state: DeviceInterruptsState): void {
    requireVersion('the interrupts of a device of the host', state.version, 2);
    this.now = state.mode;
    this.given.clear();
    for (const { vector, count, cpu, host, everywhere } of state.given)
      this.given.set(vector, { place: { cpu, vector: host }, count, everywhere });
  }

  private give(vector: number, count: number, wanted?: number): HostVectorPlace | undefined {
    const { site, hardware } = this;
    const { tracer, island, scheduler } = site;
    const { vectors } = scheduler.interrupts;
    const cpu = hardware.affinity;
    const everywhere = wanted !== undefined && vectors.giveEverywhere(wanted, this, vector);
    const place = everywhere ? { cpu, vector: wanted } : vectors.give(cpu, count, this, vector);
    if (!place) return undefined;
    this.given.set(vector, { place, count, everywhere });
    tracer.instant(island.now(), hardware.track(), Kind.HostVector, vector, place.vector);
    return place;
  }

  private takeBack(vector: number): void {
    const given = this.given.get(vector);
    if (!given) return;
    const { place, count, everywhere } = given;
    const { vectors } = this.site.scheduler.interrupts;
    if (everywhere) vectors.takeBackEverywhere(place.vector);
    else vectors.takeBack(place, count);
    this.hardware.messages.release(this.hardware.fn.requester, vector);
    this.given.delete(vector);
  }

  private capability(id: number): number | undefined {
    return capabilitiesOf(this.hardware.fn).find((each) => each.id === id)?.at;
  }

  private setControl(id: number, bits: number, value: number): void {
    const at = this.capability(id);
    if (at === undefined) return;
    const { fn } = this.hardware;
    fn.write(at + CONTROL_AT, 2, (fn.read(at + CONTROL_AT, 2) & ~bits) | value);
  }
}
