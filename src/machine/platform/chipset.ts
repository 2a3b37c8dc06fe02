/**
 * What stands on a PC's board besides interrupt controllers, timer and PCI: the firmware configuration device, CMOS, ACPI
 * registers, the ways to reset, text screen, COM1, the debug-exit port, and on request the test device.
 */
import type { AddressMap, Region } from '../address-map';
import type { IrqLine, RegisterBlock } from '../bus';
import { ACPI_PM, AcpiPm } from '../devices/acpi-pm';
import { FW_CFG, FwCfg } from '../devices/fw-cfg';
import { IDE_PORTS, emptyIdeChannel } from '../devices/ide-connectors';
import { PcTestDevice, TESTDEV } from '../devices/pc-testdev';
import { KEYBOARD, keyboardDescriptions, KeyboardController } from '../devices/keyboard-controller';
import { FIRMWARE_COMMAND, RESET_PORTS, ResetPorts } from '../devices/reset-ports';
import { RTC, Rtc, type RtcHost } from '../devices/rtc';
import { rtcDescriptions } from '../devices/rtc-registers';
import { SerialScript, type SerialStep } from '../devices/serial-script';
import { COM1, Uart16550 } from '../devices/uart';
import { uartDescriptions } from '../devices/uart-descriptions';
import { VGA, VgaText } from '../devices/vga-text';
import type { AcpiFacts } from '../firmware/acpi';
import { acpiFileNames, acpiFiles } from '../firmware/acpi-loader';
import type { DmarFacts } from '../firmware/dmar';
import type { MmioDeviceFacts } from '../firmware/dsdt';
import { memoryMap } from '../firmware/memory-map';
import { gsiOfIsaLine } from '../interrupts/fabric';
import { ECAM } from '../pci/root';
import { fieldsByName, type RegisterDescriptions } from '../registers';
import type { Migratable } from '../snapshot';
import { Kind } from '../../trace/vocabulary/events';
import type { BoardUnits } from './board-state';
import type { BoardEnvironment, BoardUnit } from './environment';
import { placeUnit, registerNames, type Resettable, type UnitPart } from './units';

/** What a scenario says of the board. */
export interface ChipsetOptions {
  /** Of a kernel, for fw_cfg; empty otherwise. */
  cmdline: string;
  /** What the CMOS clock shows at time 0, in seconds since 1970. */
  startSeconds: number;
  /** Whether the test device is there. */
  testDevices: boolean;
  /** A firmware in a ROM asks for the ACPI tables, and looks for IDE drives. */
  hasRom: boolean;
  /** What the ACPI tables tell of devices that are on no bus. */
  mmioDevices: readonly MmioDeviceFacts[];
  /** What they tell of a remapping unit; undefined: there is none. */
  dmar: DmarFacts | undefined;
  /** What is typed at the console. */
  serialInput: readonly SerialStep[];
}

/** What registers mean, by the unit's name in the trace. */
const descriptions: Readonly<Record<string, RegisterDescriptions | undefined>> = {
  CMOS: rtcDescriptions,
  'keyboard controller': keyboardDescriptions,
};

/** In the trace the parts of one device are told apart by so much. */
const PART_OFFSET = 0x10;
/** QEMU's isa-debug-exit: a write ends the guest with that code. */
const DEBUG_EXIT = { base: 0xf4, size: 4 } as const;
/** Of the events of COM1: somebody types. The UART's own have kind 0. */
const SCRIPT_EVENT = 1;
const NO_MASTER = (): boolean => false;

/** The chipset's units. */
export class Chipset<T> implements Resettable {
  private readonly resettable: Resettable[] = [];
  private readonly resetPorts: ResetPorts;
  private readonly pm: Region<T>;

  constructor(
    private readonly env: BoardEnvironment<T>,
    private readonly units: BoardUnits,
    private readonly memory: AddressMap<T>,
    private readonly ports: AddressMap<T>,
    private readonly rtcLine: IrqLine,
    options: ChipsetOptions,
  ) {
    const { events } = env;
    const { cmdline, startSeconds } = options;
    const cpus = env.cpus.length;
    const ramBytes = env.memory.size;
    const clock = { now: () => env.now(), cyclesPerSecond: env.cyclesPerSecond };
    const acpi = { cpus, ecam: ECAM, mmioDevices: options.mmioDevices, dmar: options.dmar };
    const files = options.hasRom ? this.acpiFiles(acpi) : [];
    const facts = { ramBytes, cpus, cmdline, memoryMap: memoryMap(ramBytes), files };
    this.place('fw_cfg', { ...FW_CFG, block: this.kept('fw_cfg', new FwCfg(facts)) });
    this.addClock({ ...clock, startSeconds, ramBytes, cpus });
    const sleep = (): void => events.poweredOff('switched itself off (SLP_EN in PM1_CNT)');
    const pm = this.kept('acpi', new AcpiPm({ ...clock, sleep }));
    [this.pm] = this.place('ACPI', { ...ACPI_PM, block: pm });
    const init = (): void => {
      for (const cpu of env.cpus) cpu.init();
    };
    const reset = this.kept('reset', new ResetPorts({ init, reset: (how) => events.reset(how) }));
    this.resetPorts = reset;
    const interrupt = env.line(KEYBOARD.irq, `${env.name}/keyboard`);
    const lines = {
      reset: (how: string) => reset.soft(how),
      interrupt: (asserted: boolean) => interrupt.set(asserted),
    };
    const keyboard = this.kept('keyboard', new KeyboardController(lines));
    this.place(
      'keyboard controller',
      { ...KEYBOARD.data, block: keyboard.data },
      { ...KEYBOARD.command, block: keyboard.commandPort },
    );
    this.place('system control', { ...RESET_PORTS.systemControl, block: reset.systemControl });
    this.place('APM control', { ...FIRMWARE_COMMAND, block: reset.firmwareCommand });
    const vga = this.kept('vga', new VgaText(clock));
    const vgaParts = Object.entries(VGA) as [keyof typeof VGA, (typeof VGA)[keyof typeof VGA]][];
    this.place('VGA', ...vgaParts.map(([part, at]) => ({ ...at, block: vga[part] })));
    if (options.hasRom)
      this.place('IDE', ...IDE_PORTS.map((ports) => ({ ...ports, block: emptyIdeChannel })));
    if (options.testDevices) this.addTestDevice();
  }

  /** The PCI configuration ports with the reset control register that the chipset has in their midst. */
  withResetControl(pci: RegisterBlock): RegisterBlock {
    const { offset } = RESET_PORTS.control;
    const { control } = this.resetPorts;
    return {
      read: (at, size, initiator) =>
        at === offset && size === 1 ? control.read(0, 1, initiator) : pci.read(at, size, initiator),
      write: (at, size, value, initiator) => {
        if (at === offset && size === 1) control.write(0, 1, value, initiator);
        else pci.write(at, size, value, initiator);
      },
      registerName: (at) => (at === offset ? control.registerName(0) : pci.registerName(at)),
    };
  }

  /** Moves the ACPI registers, where a firmware is to say at which port they answer. */
  placePm(base: number, enabled: boolean): void {
    this.ports.place(this.pm, base, enabled);
  }

  /** COM1 with whoever types at it, and the debug-exit port. */
  addConsole(steps: readonly SerialStep[]): void {
    const { env } = this;
    const registers: Record<string, string> = {};
    const fields = (): ReturnType<typeof fieldsByName> =>
      fieldsByName(uartDescriptions, Object.values(registers));
    const unit: BoardUnit = { class: 'uart', name: 'UART', registers: () => registers, fields };
    const socket = env.socket(unit, { gsi: COM1.irq, busMaster: NO_MASTER });
    const uart = new Uart16550(socket.bus, (byte) => {
      socket.bus.trace.instant(Kind.Serial, byte, 0);
      env.events.serial(byte);
      script?.seen(byte);
    });
    const script =
      steps.length === 0
        ? undefined
        : new SerialScript(socket.bus, SCRIPT_EVENT, steps, (bytes) => uart.receive(bytes));
    socket.plug({
      onEvent: (kind) => (kind === SCRIPT_EVENT ? script?.onEvent() : uart.onEvent()),
      onDma: () => uart.onDma(),
    });
    Object.assign(registers, registerNames([{ size: COM1.size, block: uart, offset: 0 }]));
    this.kept('UART', uart);
    if (script) this.units.add('serial input', script);
    script?.start();
    this.ports.add(COM1.base, COM1.size, uart, env.tag(unit, 0));
    const block: RegisterBlock = {
      read: () => 0,
      // A negative code stays negative: main returned an int.
      write: (offset, _size, value) => {
        if (offset === 0) env.events.exited(value | 0);
      },
      registerName: (offset) => (offset === 0 ? 'EXIT' : undefined),
    };
    this.place('debug exit', { ...DEBUG_EXIT, block });
  }

  reset(): void {
    for (const unit of this.resettable) unit.reset();
  }

  /** The firmware says where the power-management registers are, and then the tables tell of it. */
  private acpiFiles(facts: AcpiFacts): { name: string; contents: () => Uint8Array }[] {
    return acpiFileNames.map((name, index) => ({
      name,
      contents: () => acpiFiles(facts, this.pm.base)[index].bytes,
    }));
  }

  private kept<U extends Migratable & Resettable>(name: string, unit: U): U {
    this.units.add(name, unit);
    this.resettable.push(unit);
    return unit;
  }

  private place(name: string, ...parts: Omit<UnitPart, 'offset'>[]): Region<T>[] {
    const placed = parts.map((part, index) => ({ ...part, offset: index * PART_OFFSET }));
    return placeUnit(this.env, this.ports, { class: 'chipset', name }, placed, descriptions[name]);
  }

  private addClock(
    facts: Pick<RtcHost, 'now' | 'cyclesPerSecond' | 'startSeconds' | 'ramBytes' | 'cpus'>,
  ): void {
    const { env, rtcLine } = this;
    const rtc = new Rtc(`${env.name}/cmos`, {
      ...facts,
      schedule: (time, target) => env.scheduler.schedule(time, target, 0),
      cancel: (handle) => env.scheduler.cancel(handle),
      setLine: (asserted) => rtcLine.set(asserted),
    });
    env.scheduler.register(rtc);
    this.place('CMOS', { ...RTC, block: this.kept('cmos', rtc) });
  }

  private addTestDevice(): void {
    const { env } = this;
    const lines = Array.from({ length: TESTDEV.lines.size }, (_, line): IrqLine | undefined => {
      const gsi = gsiOfIsaLine(line);
      return gsi === undefined ? undefined : env.line(gsi, `${env.name}/test device`);
    });
    const test = this.kept('testdev', new PcTestDevice((line, asserted) => lines[line]?.set(asserted)));
    this.place(
      'test device',
      { ...TESTDEV.latch, block: test.latchPorts },
      { ...TESTDEV.flush, block: test.flushPorts },
      { ...TESTDEV.bytes, block: test.bytePorts },
    );
    this.place('test device IRQs', { ...TESTDEV.lines, block: test.linePorts });
    placeUnit(env, this.memory, { class: 'memory', name: 'test device memory' }, [
      { ...TESTDEV.memory, block: test.memory, offset: 0 },
    ]);
  }
}
