/**
 * The fixed power-management registers of ACPI (ACPI specification 6.4, 4.8.3): event block, control block and the timer
 * that runs at 3.579545 MHz whatever else happens.
 */
import type { AccessSize, RegisterBlock } from '../bus';
import {
  requireVersion,
  type Checkpoint,
  type HardwareState,
  type Migratable,
  type RunState,
} from '../snapshot';
import type { Cycles } from '../time/event-queue';
import { Oscillator, type OscillatorHost } from '../time/oscillator';

/** First port of the block as QEMU's PC has it, and how many there are. */
export const ACPI_PM = { base: 0x600, size: 12 } as const;
/** Offsets in the block. */
export const AcpiPmRegister = { Status: 0, Enable: 2, Control: 4, Timer: 8 } as const;

/** Cycles a second of the timer (4.8.2.1). */
const PM_TIMER_HZ = 3_579_545;
/** The timer has 24 bits, as TMR_VAL_EXT = 0 in the FADT says. */
const TIMER_MASK = 0xffffff;

/** Control register: ACPI mode is on for good; SLP_TYP at bits 12:10; SLP_EN enters the sleep state. */
const Control = { SciEnable: 1, SleepType: 0x1c00, SleepEnable: 0x2000 } as const;

/** What the hardware has of an `AcpiPm`. */
export interface AcpiPmHardware extends HardwareState {
  version: 2;
  enable: number;
  control: number;
  /** Cycles for which the timer has counted. */
  timerAge: Cycles;
}

/** What the run has of it. */
export interface AcpiPmRun extends RunState {
  timerOrigin: Cycles;
}

/** What the block asks of its machine. */
export interface AcpiPmHost extends OscillatorHost {
  /** The guest entered a sleep state; nothing wakes it here. */
  sleep(type: number): void;
}

/** PM1a event and control block and the PM timer. No event ever occurs: the status stays 0. */
export class AcpiPm implements RegisterBlock, Migratable<AcpiPmHardware, AcpiPmRun> {
  private enable = 0;
  private control = 0;
  private readonly timer: Oscillator;

  constructor(private readonly host: AcpiPmHost) {
    this.timer = new Oscillator(host, PM_TIMER_HZ);
  }

  read(offset: number, size: AccessSize): number {
    const at = offset & ~3;
    const shifted = this.word(at) >>> (8 * (offset - at));
    return size === 4 ? shifted >>> 0 : shifted & (2 ** (8 * size) - 1);
  }

  write(offset: number, size: AccessSize, value: number): void {
    if (size === 1) return;
    if (offset === AcpiPmRegister.Status && size === 4) this.enable = value >>> 16;
    else if (offset === AcpiPmRegister.Enable) this.enable = value & 0xffff;
    else if (offset === AcpiPmRegister.Control) this.setControl(value & 0xffff);
  }

  registerName(offset: number): string | undefined {
    if (offset >= AcpiPmRegister.Timer) return 'PM_TMR';
    return ['PM1_STS', 'PM1_EN', 'PM1_CNT'][offset >> 1];
  }

  /** As after power-on. */
  reset(): void {
    this.enable = this.control = 0;
  }

  save(): Checkpoint<AcpiPmHardware, AcpiPmRun> {
    const { enable, control, timer } = this;
    return {
      hardware: { version: 2, enable, control, timerAge: timer.age },
      run: { timerOrigin: timer.origin },
    };
  }

  load({ hardware, run }: Checkpoint<AcpiPmHardware, AcpiPmRun>): void {
    this.loadRegisters(hardware);
    this.timer.origin = run.timerOrigin;
  }

  adopt(hardware: AcpiPmHardware): void {
    this.loadRegisters(hardware);
    this.timer.adopt(hardware.timerAge);
  }

  private loadRegisters(hardware: AcpiPmHardware): void {
    requireVersion('the ACPI registers', hardware.version, 2);
    this.enable = hardware.enable;
    this.control = hardware.control;
  }

  private word(at: number): number {
    if (at === AcpiPmRegister.Timer) return this.timer.ticks() & TIMER_MASK;
    return at === AcpiPmRegister.Control ? this.control | Control.SciEnable : this.enable << 16;
  }

  private setControl(value: number): void {
    this.control = value & Control.SleepType;
    if ((value & Control.SleepEnable) !== 0) this.host.sleep((value & Control.SleepType) >> 10);
  }
}
