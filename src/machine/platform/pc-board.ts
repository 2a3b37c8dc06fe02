/**
 * A PC: interrupt controllers, timers, PCI with its devices, chipset, console, put together once for a bare machine, for a VM
 * and for a domain. What an access costs, who serves it and what the trace shows of it is the environment's.
 */
import { AddressMap } from '../address-map';
import { firmwareTables } from '../firmware/firmware';
import { InterruptFabric } from '../interrupts/fabric';
import { lapicRegisterNames } from '../interrupts/lapic-registers';
import type { RomShadow } from '../memory/rom-shadow';
import { firmwareAssign, wiredPins } from '../pci/firmware';
import { ECAM, type PciRoot } from '../pci/root';
import { BoardUnits, type BoardHardware } from './board-state';
import { Chipset, type ChipsetOptions } from './chipset';
import { plannedDevice, type DeviceSpec } from './device-models';
import type { BoardEnvironment, BoardUnit } from './environment';
import { BOARD_IOMMU, type BoardIommu } from './board-iommu';
import { MmioSlots, type MmioDevice } from './mmio-slots';
import { PciSlots, type MakePciDevice, type PciDevice, type PciPlace } from './pci-slots';
import { BoardTimers } from './board-timers';
import { addPiix } from './piix';

/** What may differ from board to board. */
export interface PcOptions extends Omit<ChipsetOptions, 'hasRom' | 'mmioDevices' | 'dmar'> {
  /** The CPUs' LAPICs can be turned to x2APIC mode. */
  x2apic: boolean;
  /** Undivided ticks a second of the LAPIC timers. */
  apicBusHz: number;
  /** Seconds that a period of the LAPIC timers has at least; absent: it is as software programs it. */
  leastApicPeriod?: number;
  /** One of `IOAPIC_VERSION`. */
  ioapicVersion: number;
  /** The 8259s' output is also input 0 of the IOAPIC. */
  picAtIoapic?: boolean;
  /** Line 0 of the 8259s is open: a BIOS serves it, and it goes on ticking until the system that it starts takes over. */
  biosTimer?: boolean;
  /** The firmware is a ROM, and does itself what is done for the guest otherwise. */
  rom?: RomShadow | undefined;
  /** CPUID leaf 1 of the CPUs, for the MP table: EAX and EDX. */
  cpuSignature: number;
  cpuFeatures: number;
}

/**
 * One board. Put up in this order: the constructor, the scenario's devices, `powerOn`; then the guest is loaded.
 * @typeParam T what the environment keeps with each region of addresses
 */
export class PcBoard<T> {
  /** What answers at physical addresses that are not RAM. */
  readonly memory = new AddressMap<T>('MMIO');
  readonly ports = new AddressMap<T>('I/O ports');
  readonly fabric: InterruptFabric;
  private readonly units: BoardUnits;
  private readonly slots: PciSlots<T>;
  private readonly mmioSlots: MmioSlots<T>;
  private readonly timers: BoardTimers<T>;
  private chipset: Chipset<T> | undefined;

  constructor(
    private readonly env: BoardEnvironment<T>,
    private readonly options: PcOptions,
  ) {
    const { memory, ports } = this;
    this.units = new BoardUnits(env.name, (name, unit) => env.keep(name, unit));
    this.fabric = new InterruptFabric({
      name: env.name,
      scheduler: env.scheduler,
      cpus: env.cpus,
      observer: env.observer,
      timerCyclesPerTick: env.cyclesPerSecond / options.apicBusHz,
      timerLeastPeriod: Math.round(env.cyclesPerSecond * (options.leastApicPeriod ?? 0)),
      x2apicSupported: options.x2apic,
      ioapicVersion: options.ioapicVersion,
      picAtIoapic: options.picAtIoapic ?? false,
      toHostTime: (cpu) => env.toHostTime?.(cpu),
      remapping: env.iommu?.remapping,
    });
    this.units.add('interrupts', this.fabric);
    const { ioapic } = this.fabric;
    this.fabric.mapInto(memory, {
      ioapic: env.tag({ class: 'ioapic', name: 'IOAPIC', registers: () => ioapic.registerNames() }, 0),
      lapic: env.tag({ class: 'lapic', name: 'LAPIC', registers: lapicNames }, 0),
    });
    this.timers = new BoardTimers<T>(env, this.units, memory, ports, this.fabric);
    if (env.iommu) this.addIommu(env.iommu);
    this.slots = new PciSlots<T>(env, this.units, memory, ports, options.rom);
    this.mmioSlots = new MmioSlots<T>(env, this.units, memory);
  }

  /** The PCI functions of the board. */
  get pci(): PciRoot {
    return this.slots.root;
  }

  /** Puts a device into the next PCI slot; before `powerOn`. */
  addPci<D extends PciDevice>(place: PciPlace, make: MakePciDevice<D>): D {
    return this.slots.add(place, make);
  }

  /** Puts a device of a model into the next PCI slot, or at the next of the fixed addresses; before `powerOn`. */
  addDevice(spec: DeviceSpec): PciDevice | MmioDevice {
    const planned = plannedDevice(spec);
    const { name } = spec;
    const serial = (byte: number): void => this.env.events.serial(byte);
    if ('onMmio' in planned)
      return this.mmioSlots.add({ name, ...planned.onMmio }, (bus, data) =>
        planned.make({ bus, data, virtual: [], serial }),
      );
    return this.addPci({ name, ...planned.place }, (bus, data, virtual) =>
      planned.make({ bus, data, virtual, serial }),
    );
  }

  /**
   * Switches the board on, for the first time or after `reset`: does what a BIOS does where none is in a ROM. At the first time it also adds what
   * every PC has, after the devices of the scenario, so that those stand first in the explorer.
   * @throws RangeError when the BARs of the devices do not fit
   */
  powerOn(): void {
    this.chipset ??= this.addChipset();
    if (!this.options.rom) this.runFirmware();
  }

  /**
   * The reset line: every unit as at power-on, before the firmware. CPUs and RAM are the environment's, and so is what of its
   * own is still under way to a unit.
   */
  reset(): void {
    this.slots.reset();
    this.env.iommu?.reset();
    this.mmioSlots.reset();
    this.chipset?.reset();
    this.fabric.reset();
    this.timers.reset();
  }

  /**
   * What moves to another host. The environment has come to rest before: no transaction, no message and no level is on its way
   * between a device and the rest of the machine.
   */
  hardware(): BoardHardware {
    return this.units.save();
  }

  /**
   * Goes on as the board that this is the hardware of would have gone on. This one has been switched on, and has the same CPUs
   * and devices; what its own hardware had is lost. CPUs and RAM have moved before: a device may read memory at once.
   * @throws SnapshotError, with nothing changed, when it has not the same units
   */
  adopt(hardware: BoardHardware): void {
    this.units.adopt(hardware);
  }

  private addIommu(iommu: BoardIommu): void {
    const { env, memory, units } = this;
    const registers = iommu.registerNames();
    const unit: BoardUnit = {
      class: 'iommu',
      name: 'IOMMU',
      registers: () => registers,
      fields: () => iommu.registerFields(),
      reasons: iommu.reasons,
    };
    memory.add(BOARD_IOMMU.base, BOARD_IOMMU.size, iommu.registers, env.tag(unit, 0));
    units.add('iommu', iommu);
  }

  private addChipset(): Chipset<T> {
    const { env, units, memory, ports, options, slots, timers } = this;
    const chipset = new Chipset<T>(env, units, memory, ports, timers.rtcLine, {
      ...options,
      hasRom: options.rom !== undefined,
      mmioDevices: this.mmioSlots.facts,
      dmar: env.iommu?.dmar,
    });
    slots.mapPorts(chipset.withResetControl(slots.root.ports));
    chipset.addConsole(options.serialInput);
    if (options.rom) addPiix(slots, (base, enabled) => chipset.placePm(base, enabled));
    return chipset;
  }

  private runFirmware(): void {
    const { env, options, slots } = this;
    firmwareAssign(slots.root);
    const tables = firmwareTables({
      cpus: env.cpus.length,
      signature: options.cpuSignature,
      features: options.cpuFeatures,
      ioapicVersion: options.ioapicVersion,
      pciPins: wiredPins(slots.root),
      ecam: ECAM,
      mmioDevices: this.mmioSlots.facts,
      dmar: env.iommu?.dmar,
      startSeconds: options.startSeconds + Math.floor(env.now() / env.cyclesPerSecond),
    });
    for (const { address, bytes } of tables) env.memory.write(address, bytes);
    if (options.biosTimer) this.timers.openByBios();
  }
}

function lapicNames(): Record<string, string> {
  return Object.fromEntries([...lapicRegisterNames].map(([offset, name]) => [String(offset), name]));
}
