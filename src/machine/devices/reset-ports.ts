/**
 * The ways by which software resets a PC: the keyboard controller, "system control port A", and the reset control register of
 * the chipset (82371SB data sheet, 2.2.8). All but a hard reset by the last one are soft: the processors get INIT, and the
 * rest of the machine notices nothing. The bootstrap processor then runs the BIOS, which looks into the CMOS for what to do,
 * and starts over where nothing else is wanted there.
 */
import type { RegisterBlock } from '../bus';
import {
  requireVersion,
  type Checkpoint,
  type HardwareState,
  type Migratable,
  type RunState,
} from '../snapshot';

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

const A20_ON = 2;
const FAST_RESET = 1;
const CONTROL_FULL = 0x02;
const CONTROL_RESET = 0x04;
/** What a reset is named by whose way nobody knows: software has jumped into the BIOS. */
const BY_THE_BIOS = 'its BIOS';

/** What the hardware has of `ResetPorts`; the run has nothing of them. */
export interface ResetPortsHardware extends HardwareState {
  version: 3;
  systemControl: number;
  control: number;
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

  /** A soft reset by this way. */
  soft(how: string): void {
    this.state.softReset = how;
    this.lines.init();
  }

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
    requireVersion('the reset ports', hardware.version, 3);
    this.state = { ...hardware };
  }
}

function initialState(): ResetPortsHardware {
  return {
    version: 3,
    systemControl: A20_ON,
    control: 0,
    softReset: '',
    startingOver: false,
  };
}
