/**
 * The ports by which software resets a PC: the command port of the keyboard controller, "system control port A", and the
 * reset control register of the chipset (82371SB data sheet, 2.2.8). No keyboard is attached.
 */
import type { RegisterBlock } from '../bus';
import {
  requireVersion,
  type Checkpoint,
  type HardwareState,
  type Migratable,
  type RunState,
} from '../snapshot';

/** Data and command port of the keyboard controller. */
export const KEYBOARD = { data: { base: 0x60, size: 1 }, command: { base: 0x64, size: 1 } } as const;
/** The reset control register lies within the PCI configuration ports, at this offset. */
export const RESET_PORTS = {
  systemControl: { base: 0x92, size: 1 },
  control: { port: 0xcf9, offset: 1 },
} as const;

/** Status: self-test passed, keyboard not locked, the last write was a command, nothing to read, room to write. */
const KEYBOARD_STATUS = 0x1c;
/** Commands 0xF0 to 0xFF pulse output lines low; line 0, at bit 0, is the processor's reset. */
const PULSE = 0xf0;
const A20_ON = 2;
const FAST_RESET = 1;
const CONTROL_FULL = 0x02;
const CONTROL_RESET = 0x04;

/** What the hardware has of `ResetPorts`; the run has nothing of them. */
export interface ResetPortsHardware extends HardwareState {
  version: 1;
  systemControl: number;
  control: number;
}

/** All of them. `onReset` is told by which way the reset came. */
export class ResetPorts implements Migratable<ResetPortsHardware> {
  private systemControlValue = A20_ON;
  private controlValue = 0;

  constructor(private readonly onReset: (how: string) => void) {}

  readonly keyboardData: RegisterBlock = {
    read: () => 0,
    write: () => undefined,
    registerName: () => 'KBD_DATA',
  };

  readonly keyboardCommand: RegisterBlock = {
    read: () => KEYBOARD_STATUS,
    write: (_offset, _size, value) => {
      if ((value & PULSE) === PULSE && (value & 1) === 0) this.onReset('the keyboard controller (port 0x64)');
    },
    registerName: () => 'KBD_COMMAND',
  };

  readonly systemControl: RegisterBlock = {
    read: () => this.systemControlValue,
    write: (_offset, _size, value) => {
      this.systemControlValue = value & ~FAST_RESET;
      if ((value & FAST_RESET) !== 0) this.onReset('system control port A (port 0x92)');
    },
    registerName: () => 'PORT_A',
  };

  readonly control: RegisterBlock = {
    read: () => this.controlValue,
    write: (_offset, _size, value) => {
      const rises = (value & ~this.controlValue & CONTROL_RESET) !== 0;
      this.controlValue = value & (CONTROL_FULL | CONTROL_RESET);
      if (rises) this.onReset('the reset control register (port 0xcf9)');
    },
    registerName: () => 'RESET_CONTROL',
  };

  /** As after power-on. */
  reset(): void {
    this.systemControlValue = A20_ON;
    this.controlValue = 0;
  }

  save(): Checkpoint<ResetPortsHardware, RunState> {
    const { systemControlValue: systemControl, controlValue: control } = this;
    return { hardware: { version: 1, systemControl, control }, run: {} };
  }

  load({ hardware }: Checkpoint<ResetPortsHardware, RunState>): void {
    this.adopt(hardware);
  }

  adopt(hardware: ResetPortsHardware): void {
    requireVersion('the reset ports', hardware.version, 1);
    this.systemControlValue = hardware.systemControl;
    this.controlValue = hardware.control;
  }
}
