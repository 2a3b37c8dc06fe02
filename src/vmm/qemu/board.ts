/**
 * What stands on the board of QEMU's PC besides the devices of a scenario: firmware tables, the firmware configuration
 * device, CMOS, ACPI registers, the ways to reset, and on request the test device.
 */
import type { RegisterBlock, Stateful } from '../../machine/bus';
import { ACPI_PM, AcpiPm } from '../../machine/devices/acpi-pm';
import { FW_CFG, FwCfg } from '../../machine/devices/fw-cfg';
import { KEYBOARD, RESET_PORTS, ResetPorts } from '../../machine/devices/reset-ports';
import { PcTestDevice, TESTDEV } from '../../machine/devices/pc-testdev';
import { RTC, RTC_IRQ, Rtc } from '../../machine/devices/rtc';
import { VGA, VgaText } from '../../machine/devices/vga-text';
import { firmwareTables } from '../../machine/firmware/firmware';
import { memoryMap } from '../../machine/firmware/memory-map';
import type { PciPin } from '../../machine/firmware/mp-table';
import { DeviceTrack, type DevicePart } from '../device-track';
import type { Host } from '../host';
import type { KvmVm } from '../kvm/vm';

/** What the scenario says about the board. */
export interface BoardOptions {
  /** Of a kernel, for fw_cfg; empty otherwise. */
  cmdline: string;
  /** What the CMOS clock shows at time 0, in seconds since 1970. */
  startSeconds: number;
  /** Whether the test device is there. */
  testDevices: boolean;
  /** Interrupt pins of the PCI functions, for the MP table. */
  pciPins: readonly PciPin[];
}

/** In the trace the parts of one device are told apart by so much. */
const PART_OFFSET = 0x10;

/** Puts the board's devices at the ports of a VM, and the firmware's tables into its RAM. */
export function addBoard(host: Host, vm: KvmVm, options: BoardOptions): ResetPorts {
  const ramBytes = vm.memory.size;
  const cpus = vm.vcpus.length;
  const clock = { now: () => host.now(), cyclesPerSecond: host.frequencyHz };
  const device = (name: string, ...parts: Omit<DevicePart, 'offset'>[]): void => {
    const track = new DeviceTrack(host, vm, name, false);
    parts.forEach((part, index) => track.place(vm.ports, { ...part, offset: index * PART_OFFSET }));
  };

  const kept = <T extends Stateful<unknown>>(name: string, unit: T): T => {
    host.units.keep(`${vm.name}/${name}`, unit);
    return unit;
  };

  const { startSeconds, pciPins } = options;
  const { eax: signature, edx: features } = vm.cpuid(1, 0, 0);
  const tables = firmwareTables({ cpus, signature, features, pciPins, startSeconds });
  for (const { address, bytes } of tables) vm.memory.write(address, bytes);
  const facts = { ramBytes, cpus, cmdline: options.cmdline, memoryMap: memoryMap(ramBytes) };
  device('fw_cfg', { ...FW_CFG, block: kept('fw_cfg', new FwCfg(facts)) });
  const rtc = new Rtc(`${vm.name}/cmos`, {
    ...{ ...clock, startSeconds, ramBytes, cpus },
    schedule: (time, target) => host.queue.schedule(time, target, 0),
    cancel: (handle) => host.queue.cancel(handle),
    setLine: (asserted) => {
      host.advance(host.costs['irq.ioctl']);
      vm.irqchip.setPin(RTC_IRQ, `${vm.name}/cmos`, asserted);
    },
  });
  host.queue.register(rtc);
  device('CMOS', { ...RTC, block: kept('cmos', rtc) });
  const sleep = (): void => vm.stopped('switched itself off (SLP_EN in PM1_CNT)');
  device('ACPI', { ...ACPI_PM, block: kept('acpi', new AcpiPm({ ...clock, sleep })) });
  const reset = kept(
    'reset',
    new ResetPorts((how) => vm.stopped(`was reset through ${how}, and Trapline ends a guest there`)),
  );
  device(
    'keyboard controller',
    { ...KEYBOARD.data, block: reset.keyboardData },
    { ...KEYBOARD.command, block: reset.keyboardCommand },
  );
  device('system control', { ...RESET_PORTS.systemControl, block: reset.systemControl });
  const vga = kept('vga', new VgaText(clock));
  device(
    'VGA',
    ...Object.entries(VGA).map(([part, place]) => ({ ...place, block: vga[part as keyof typeof VGA] })),
  );
  if (options.testDevices) {
    const setPin = (line: number, asserted: boolean): void => {
      host.advance(host.costs['irq.ioctl']);
      setLine(vm, line, asserted);
    };
    addTestDevice(host, vm, kept('testdev', new PcTestDevice(setPin)), device);
  }
  return reset;
}

function addTestDevice(
  host: Host,
  vm: KvmVm,
  test: PcTestDevice,
  device: (name: string, ...parts: Omit<DevicePart, 'offset'>[]) => void,
): void {
  device(
    'test device',
    { ...TESTDEV.latch, block: test.latchPorts },
    { ...TESTDEV.flush, block: test.flushPorts },
    { ...TESTDEV.bytes, block: test.bytePorts },
  );
  device('test device IRQs', { ...TESTDEV.lines, block: test.linePorts });
  const memory = new DeviceTrack(host, vm, 'test device memory', false);
  memory.place(vm.mmio, { ...TESTDEV.memory, block: test.memory, offset: 0 });
}

/** Lines of the ISA bus at the interrupt controllers: the timer's is at input 2 of the I/O APIC, which is nobody else's. */
function setLine(vm: KvmVm, line: number, asserted: boolean): void {
  if (line !== 2) vm.irqchip.setPin(line === 0 ? 2 : line, `${vm.name}/test device`, asserted);
}

/** The PCI configuration ports with the reset control register that the chipset has in their midst. */
export function withResetControl(pci: RegisterBlock, reset: ResetPorts): RegisterBlock {
  const { offset } = RESET_PORTS.control;
  return {
    read: (at, size) => (at === offset && size === 1 ? reset.control.read(0, 1) : pci.read(at, size)),
    write: (at, size, value) => {
      if (at === offset && size === 1) reset.control.write(0, 1, value);
      else pci.write(at, size, value);
    },
    registerName: (at) => (at === offset ? reset.control.registerName(0) : pci.registerName(at)),
  };
}
