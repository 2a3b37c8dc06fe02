/**
 * The ports by which software resets a PC: the keyboard controller, "system control port A", and the reset control register of
 * the chipset (82371SB data sheet, 2.2.8). All but a hard reset by the last one are soft: the processors get INIT, and the
 * rest of the machine notices nothing. The bootstrap processor then runs the BIOS, which looks into the CMOS for what to do,
 * and starts over where nothing else is wanted there. No keyboard is attached.
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
/**
 * The chipset's APM control port (82371SB data sheet, APMC): a byte written there is a command to the firmware's own part of
 * the machine. One is known, the BIOS's: to start over.
 */
export const FIRMWARE_COMMAND = { base: 0xb2, size: 1, startOver: 0x50 } as const;
/** The reset control register lies within the PCI configuration ports, at this offset. */
export const RESET_PORTS = {
  systemControl: { base: 0x92, size: 1 },
  control: { port: 0xcf9, offset: 1 },
} as const;

/** Status: self-test passed, keyboard not locked, room to write; and there is something to read; the last write was a command. */
const KEYBOARD_STATUS = 0x14;
const KeyboardStatus = { output: 0x01, command: 0x08 } as const;
/** Commands to read and write the controller's output port, whose bit 0 low resets the processor, and whose bit 1 is A20. */
const KeyboardCommand = { readOutput: 0xd0, writeOutput: 0xd1 } as const;
const OUTPUT_NO_RESET = 1;
/** Commands 0xF0 to 0xFF pulse output lines low; line 0, at bit 0, is the processor's reset. */
const PULSE = 0xf0;
const A20_ON = 2;
const FAST_RESET = 1;
const CONTROL_FULL = 0x02;
const CONTROL_RESET = 0x04;
/** What a reset is named by whose way nobody knows: software has jumped into the BIOS. */
const BY_THE_BIOS = 'its BIOS';

/** What the hardware has of `ResetPorts`; the run has nothing of them. */
export interface ResetPortsHardware extends HardwareState {
  version: 2;
  systemControl: number;
  control: number;
  outputPort: number;
  /** What can be read from the keyboard controller; -1: nothing. */
  keyboardAnswer: number;
  /** The last command was to write the output port. */
  outputPortNext: boolean;
  commandLast: boolean;
  /** By which way the last soft reset came; empty: by none since the machine started. */
  softReset: string;
  startingOver: boolean;
}

/** Where the resets lead. */
export interface ResetLines {
  /** INIT to all processors. */
  init(): void;
  /** The whole machine, by this way. */
  reset(how: string): void;
}

/** All of them. */
export class ResetPorts implements Migratable<ResetPortsHardware> {
  private state = initialState();

  constructor(private readonly lines: ResetLines) {}

  readonly keyboardData: RegisterBlock = {
    read: () => {
      const { keyboardAnswer } = this.state;
      this.state.keyboardAnswer = -1;
      return Math.max(0, keyboardAnswer);
    },
    write: (_offset, _size, value) => {
      const { state } = this;
      const isOutput = state.outputPortNext;
      state.commandLast = state.outputPortNext = false;
      if (!isOutput) return;
      state.outputPort = value | OUTPUT_NO_RESET;
      if ((value & OUTPUT_NO_RESET) === 0) this.soft('the keyboard controller (port 0x60)');
    },
    registerName: () => 'KBD_DATA',
  };

  readonly keyboardCommand: RegisterBlock = {
    read: () => {
      const { keyboardAnswer, commandLast } = this.state;
      return (
        KEYBOARD_STATUS |
        (keyboardAnswer >= 0 ? KeyboardStatus.output : 0) |
        (commandLast ? KeyboardStatus.command : 0)
      );
    },
    write: (_offset, _size, value) => {
      const { state } = this;
      state.commandLast = true;
      state.outputPortNext = value === KeyboardCommand.writeOutput;
      if (value === KeyboardCommand.readOutput) state.keyboardAnswer = state.outputPort;
      if ((value & PULSE) === PULSE && (value & 1) === 0) this.soft('the keyboard controller (port 0x64)');
    },
    registerName: () => 'KBD_COMMAND',
  };

  readonly systemControl: RegisterBlock = {
    read: () => this.state.systemControl,
    write: (_offset, _size, value) => {
      const rises = (value & ~this.state.systemControl & FAST_RESET) !== 0;
      this.state.systemControl = value;
      if (rises) this.soft('system control port A (port 0x92)');
    },
    registerName: () => 'PORT_A',
  };

  readonly control: RegisterBlock = {
    read: () => this.state.control,
    write: (_offset, _size, value) => {
      const rises = (value & ~this.state.control & CONTROL_RESET) !== 0;
      this.state.control = value & (CONTROL_FULL | CONTROL_RESET);
      if (!rises) return;
      const how = 'the reset control register (port 0xcf9)';
      if ((value & CONTROL_FULL) !== 0) this.lines.reset(how);
      else this.soft(how);
    },
    registerName: () => 'RESET_CONTROL',
  };

  /** Where the BIOS asks to start over: that is a reset in all but the latch of port 0x92, which tells it from a hard one. */
  readonly firmwareCommand: RegisterBlock = {
    read: () => 0,
    write: (_offset, _size, value) => {
      if (value !== FIRMWARE_COMMAND.startOver) return;
      this.state.startingOver = true;
      this.lines.reset(this.state.softReset || BY_THE_BIOS);
    },
    registerName: () => 'APM_CONTROL',
  };

  /** As after power-on; as the BIOS leaves them where it started over. */
  reset(): void {
    const { startingOver, systemControl } = this.state;
    this.state = initialState();
    if (startingOver) this.state.systemControl = systemControl;
  }

  save(): Checkpoint<ResetPortsHardware, RunState> {
    return { hardware: { ...this.state }, run: {} };
  }

  load({ hardware }: Checkpoint<ResetPortsHardware, RunState>): void {
    this.adopt(hardware);
  }

  adopt(hardware: ResetPortsHardware): void {
    requireVersion('the reset ports', hardware.version, 2);
    this.state = { ...hardware };
  }

  private soft(how: string): void {
    this.state.softReset = how;
    this.lines.init();
  }
}

function initialState(): ResetPortsHardware {
  return {
    version: 2,
    systemControl: A20_ON,
    control: 0,
    outputPort: A20_ON | OUTPUT_NO_RESET,
    keyboardAnswer: -1,
    outputPortNext: false,
    commandLast: true,
    softReset: '',
    startingOver: false,
  };
}
