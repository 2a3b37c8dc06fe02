/**
 * The PC that QEMU shows its guest: a PCI bus, COM1, the debug-exit port, and the devices of the scenario. All of it is
 * reached through user exits; the interrupt controllers are KVM's.
 */
import type { RegisterBlock } from '../../machine/bus';
import { DropReason, dropReasonNames } from '../../machine/devices/e1000/constants';
import { E1000 } from '../../machine/devices/e1000/e1000';
import { COM1, Uart16550 } from '../../machine/devices/uart';
import type { FrameReceiver, Wire } from '../../machine/link/wire';
import { BarMapper } from '../../machine/pci/bar-mapper';
import { CONFIG_PORT_BASE, CONFIG_PORT_COUNT, PciBus, type PciSlot } from '../../machine/pci/bus';
import { firmwareAssign, irqOfPin, wiredPins } from '../../machine/pci/firmware';
import { Kind } from '../../trace/vocabulary/events';
import type { Host } from '../host';
import type { KvmVm, RegionTag } from '../kvm/vm';
import { addBoard, withResetControl, type BoardOptions } from './board';
import { EmulatedDeviceBus, type DevicePlace } from './emulated-device-bus';
import { IoThread } from './io-thread';
import { Tap } from './tap';

/** QEMU's isa-debug-exit: a write ends the guest with that code. */
const DEBUG_EXIT = { base: 0xf4, size: 4 } as const;

/** In the trace a function's I/O BAR is told from its memory BAR by this much added to the offset. */
const IO_BAR_OFFSET = 0x10_0000;
const IO_BAR_NAMES = { [String(IO_BAR_OFFSET)]: 'IOADDR', [String(IO_BAR_OFFSET + 4)]: 'IODATA' };

/** QEMU's first NIC stands at 00:03.0 of the bus, which gives it IRQ 11. */
const FIRST_SLOT = 3;

/** An e1000 of the scenario. */
export interface NicOptions {
  /** Unique in the VM: `e1000`, `e1000.1`. */
  name: string;
  /** Six bytes. */
  mac: Uint8Array;
  /** Where its cable leads; none: no carrier. */
  wire: Wire | undefined;
}

/** One VM's QEMU process. */
export class QemuPc {
  readonly ioThread: IoThread;
  private readonly pci: PciBus;
  private readonly mapper: BarMapper<RegionTag>;
  /** By device number. */
  private readonly buses = new Map<number, EmulatedDeviceBus>();

  /** Set at power-on: the firmware's own accesses are not traced. */
  private pciTrack: number | undefined;

  constructor(
    private readonly host: Host,
    private readonly vm: KvmVm,
  ) {
    this.ioThread = new IoThread(host, vm);
    this.mapper = new BarMapper<RegionTag>(vm.mmio, vm.ports, (slot, bar) => ({
      track: this.busOf(slot).track,
      inKernel: false,
      unit: 'device',
      offset: bar.kind === 'io' ? IO_BAR_OFFSET : 0,
    }));
    this.pci = new PciBus({
      barChanged: (slot, bar, base, enabled) => this.mapper.barChanged(slot, bar, base, enabled),
      interruptChanged: (slot, asserted) => this.busOf(slot).wireChanged(asserted),
      configAccess: (slot, isWrite, offset, value) => this.noteConfigAccess(slot, isWrite, offset, value),
    });
    host.units.keep(`${vm.name}/pci`, this.pci);
  }

  /** Puts an e1000 on the bus. Returns where frames for it arrive: its tap device, read by the I/O thread. */
  addE1000(options: NicOptions): FrameReceiver {
    const device = FIRST_SLOT + this.buses.size;
    const registers: Record<string, string> = {};
    const bus = this.busAt({
      name: options.name,
      gsi: irqOfPin(device, 1),
      registers,
      reasons: dropReasonNames,
    });
    const nic = new E1000(bus, { mac: options.mac });
    // The track exists before the device that knows its registers' names.
    Object.assign(registers, nic.registerNames(), IO_BAR_NAMES);
    if (options.wire) nic.connect(options.wire);
    this.buses.set(device, bus);
    this.pci.add({ device, function: 0 }, nic.pci);
    bus.drivePin = (asserted) => nic.pci.setInterrupt(asserted);
    bus.busMaster = () => nic.pci.busMaster;
    bus.onTimer = (kind, arg) => nic.onEvent(kind, arg);
    const tap = new Tap(`${bus.id}/tap`, this.ioThread, bus.trace, DropReason.QueueFull, nic);
    this.host.units.keep(bus.id, nic);
    this.host.units.keep(tap.jobTargetId, tap);
    return tap;
  }

  /**
   * Adds what every PC has, after the devices of the scenario, so that those stand first in the explorer; then does what the
   * BIOS does.
   *
   * @param serial gets each byte that the guest sends to COM1
   */
  powerOn(serial: (byte: number) => void, board: Omit<BoardOptions, 'pciPins'>): void {
    firmwareAssign(this.pci);
    const reset = addBoard(this.host, this.vm, { ...board, pciPins: wiredPins(this.pci) });
    const registers = { '0': 'CONFIG_ADDRESS', '1': 'RESET_CONTROL', '4': 'CONFIG_DATA' };
    this.pciTrack = this.addDeviceTrack('PCI config', registers);
    this.addPorts(CONFIG_PORT_BASE, CONFIG_PORT_COUNT, withResetControl(this.pci, reset), this.pciTrack);
    this.addUart(serial);
    this.addDebugExit();
  }

  private addDeviceTrack(name: string, registers: Record<string, string>): number {
    const { host, vm } = this;
    return host.tracer.addTrack({ type: 'device', name, group: vm.name, vm: vm.index, registers });
  }

  private noteConfigAccess(slot: PciSlot | undefined, isWrite: boolean, offset: number, value: number): void {
    const { host, pciTrack } = this;
    if (pciTrack === undefined) return;
    const device = slot ? (slot.address.device << 3) | slot.address.function : 0xff;
    const kind = isWrite ? Kind.CfgWrite : Kind.CfgRead;
    host.tracer.cause = host.tracer.instant(
      host.now(),
      pciTrack,
      kind,
      ((device << 8) | offset) >>> 0,
      value,
    );
  }

  private busOf(slot: PciSlot): EmulatedDeviceBus {
    const bus = this.buses.get(slot.address.device);
    if (!bus) throw new Error(`${this.vm.name}: PCI function ${slot.name} has no device bus`);
    return bus;
  }

  private busAt(place: Pick<DevicePlace, 'name' | 'gsi' | 'registers' | 'reasons'>): EmulatedDeviceBus {
    const { host, vm } = this;
    return new EmulatedDeviceBus(host, vm.memory, this.ioThread, vm.irqchip, {
      ...place,
      id: `${vm.name}/${place.name}`,
      vm: vm.index,
      group: vm.name,
    });
  }

  private addPorts(base: number, size: number, block: RegisterBlock, track: number): void {
    this.vm.ports.add(base, size, block, { track, inKernel: false, unit: 'device', offset: 0 });
  }

  private addUart(serial: (byte: number) => void): void {
    const names = ['THR/RBR', 'IER', 'IIR/FCR', 'LCR', 'MCR', 'LSR', 'MSR', 'SCR'];
    const registers = Object.fromEntries(names.map((name, offset) => [String(offset), name]));
    const bus = this.busAt({ name: 'UART', gsi: COM1.irq, registers });
    const uart = new Uart16550(bus, (byte) => {
      bus.trace.instant(Kind.Serial, byte, 0);
      serial(byte);
    });
    this.host.units.keep(bus.id, uart);
    this.addPorts(COM1.base, COM1.size, uart, bus.track);
  }

  private addDebugExit(): void {
    const { vm } = this;
    const track = this.addDeviceTrack('debug exit', { '0': 'EXIT' });
    const block: RegisterBlock = {
      read: () => 0,
      write: (offset, _size, value) => {
        if (offset === 0) vm.exited(value | 0); // a negative code stays negative: main returned an int
      },
      registerName: (offset) => (offset === 0 ? 'EXIT' : undefined),
    };
    this.addPorts(DEBUG_EXIT.base, DEBUG_EXIT.size, block, track);
  }
}
