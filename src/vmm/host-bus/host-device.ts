/** One device of the host as its kernel has it: configuration space, registers at their bus addresses, interrupts, reset. */
import type { AddressMap } from '../../machine/address-map';
import type { RegisterBlock } from '../../machine/bus';
import { resetFunction } from '../../machine/pci/capabilities';
import { Config } from '../../machine/pci/config';
import type { BarSpec, PciFunction } from '../../machine/pci/function';
import type { Cycles } from '../../machine/time/event-queue';
import type { PciDevice } from '../../machine/platform/pci-slots';
import { Kind } from '../../trace/vocabulary/events';
import type { Site } from '../host';
import type { PhysicalSocket } from '../physical/physical-socket';
import type { UnitLane } from '../unit-lanes';
import { DeviceInterrupts, type IntxRouting } from './device-interrupts';
import type { DmaMapper, DomainOwner, NestedStage, OnDemandPlan, RefusedAccess } from './dma-mapper';
import type { MessageDomain } from './message-domain';

/** What a device of the host is made of. */
export interface HostDeviceParts {
  /** Unique on the host: `nic0`. */
  readonly name: string;
  readonly device: PciDevice;
  readonly socket: PhysicalSocket;
  readonly lane: UnitLane;
  /** What answers on the bus: in memory, and at ports. */
  readonly addresses: HostAddresses;
  /** The physical CPU that takes its interrupts, by its position in the island. */
  readonly affinity: number;
  readonly intx: IntxRouting;
  readonly mapper: DmaMapper;
  readonly messages: MessageDomain;
}

/** The two spaces of addresses of the host's bus. */
export interface HostAddresses {
  readonly memory: AddressMap<UnitLane>;
  readonly ports: AddressMap<UnitLane>;
}

/** Header registers that a reset loses and the kernel puts back (pci_save_state): command, cache line, latency, BARs, interrupt line. */
const LAST_HEADER_REGISTER = Config.InterruptLine;
const WORD = 4;

/** One such device. */
export class HostDevice {
  readonly name: string;
  readonly lane: UnitLane;
  readonly interrupts: DeviceInterrupts;
  /** Memory of the VM that it works for; undefined: it is nobody's. */
  private owner: DomainOwner | undefined;

  constructor(
    private readonly site: Site,
    private readonly parts: HostDeviceParts,
  ) {
    const { name, lane, device, socket, affinity, intx, messages } = parts;
    this.name = name;
    this.lane = lane;
    this.interrupts = new DeviceInterrupts(site, socket.eventTargetId, {
      fn: device.pci,
      affinity,
      writeRegister: (bar, offset, value) => this.writeRegister(bar, offset, value),
      messages,
      routeIntx: () => intx.route(this.gsi, affinity),
      track: () => lane.track,
    });
  }

  /** Its PCI function, for software of the host. */
  get pci(): PciFunction {
    return this.parts.device.pci;
  }

  /** Global system interrupt that its pin leads to; undefined: it has none. */
  get gsi(): number | undefined {
    return this.parts.socket.gsi;
  }

  /** Memory of the VM that it works for. */
  get domain(): DomainOwner | undefined {
    return this.owner;
  }

  /** Gives the device to a VM: by guest-physical addresses it reaches all of the VM's memory, which is pinned, or nothing yet. */
  assign(owner: DomainOwner): void {
    const { tracer, island } = this.site;
    const { mapper } = this.parts;
    this.owner = owner;
    if (!mapper.onDemand) tracer.instant(island.now(), this.lane.track, Kind.VfioMap, 0, owner.size);
    mapper.attach(this.pci.requester, owner);
  }

  /** As `DmaMapper` has it. */
  get onDemand(): OnDemandPlan | undefined {
    return this.parts.mapper.onDemand;
  }

  /** Has somebody told of each access of the device that was refused, once the kernel knows of it. */
  onRefused(told: (access: RefusedAccess) => void): void {
    this.parts.mapper.onRefused(this.pci.requester, told);
  }

  /**
   * Makes a part of the memory of its VM reachable for the device.
   * @param from guest-physical, of whole pages, in the memory of the VM
   */
  map(from: number, length: number): void {
    if (this.owner) this.parts.mapper.map(this.pci.requester, from, this.owner.base + from, length);
  }

  /**
   * Makes a part of the memory of its VM reachable by other addresses.
   * @param iova first address that the device has
   * @param from guest-physical
   */
  mapAt(iova: number, from: number, length: number, writable: boolean): void {
    const { mapper } = this.parts;
    if (this.owner) mapper.map(this.pci.requester, iova, this.owner.base + from, length, writable);
  }

  /** As `DmaMapper` has it. */
  get invalidationCycles(): Cycles {
    return this.parts.mapper.invalidationCycles;
  }

  /**
   * Takes it away again.
   * @returns cycles that this takes the caller
   */
  unmap(from: number, length: number): Cycles {
    return this.parts.mapper.unmap(this.pci.requester, from, length);
  }

  /** As `DmaMapper` has it. */
  nest(stage: NestedStage | 'refused' | undefined): void {
    const { tracer, island } = this.site;
    const before = tracer.cause;
    if (typeof stage === 'object')
      tracer.cause = tracer.instant(island.now(), this.lane.track, Kind.VfioNested, stage.root, stage.levels);
    this.parts.mapper.nest(this.pci.requester, stage);
    tracer.cause = before;
  }

  /** As `DmaMapper` has it. */
  flushNested(): void {
    this.parts.mapper.flushNested(this.pci.requester);
  }

  /** Names of its registers, as `PciDevice` has them. */
  registerNames(): Record<string, string> {
    return this.parts.device.registerNames();
  }

  /** Reads a 32-bit register of a BAR, as the kernel does. */
  readRegister(bar: number, offset: number): number {
    return this.parts.addresses.memory.read(this.baseOf(bar) + offset, WORD);
  }

  /** Writes one. */
  writeRegister(bar: number, offset: number, value: number): void {
    this.parts.addresses.memory.write(this.baseOf(bar) + offset, WORD, value);
  }

  /** The registers of a BAR, reached over the host's bus: nothing answers while the function does not decode. */
  registersOf(bar: BarSpec): RegisterBlock {
    const { memory, ports } = this.parts.addresses;
    const addresses = bar.kind === 'io' ? ports : memory;
    const base = (): number => this.pci.barBase(bar);
    return {
      read: (offset, size) => addresses.read(base() + offset, size),
      write: (offset, size, value) => addresses.write(base() + offset, size, value),
      registerName: (offset) => bar.block.registerName(offset),
    };
  }

  /**
   * A reset of the function alone (pci_reset_function of Linux), by itself where it can: the function is as after power-on, what it
   * had begun on the bus is lost, and the header of its configuration space is as the kernel had it before.
   */
  reset(): void {
    const { device, socket } = this.parts;
    const { pci } = device;
    this.interrupts.off();
    const saved: number[] = [];
    for (let at: number = Config.Command; at <= LAST_HEADER_REGISTER; at += WORD)
      saved.push(pci.read(at, WORD));
    socket.reset();
    if (!resetFunction(pci)) {
      device.busReset();
      pci.reset();
    }
    saved.forEach((value, index) => pci.write(Config.Command + index * WORD, WORD, value));
  }

  private baseOf(index: number): number {
    const bar = this.pci.bars.find((each) => each.index === index);
    if (!bar) throw new RangeError(`${this.name} has no BAR ${index}`);
    return this.pci.barBase(bar);
  }
}
