/**
 * The fixed power-management registers of ACPI (ACPI specification 6.4, 4.8.3): event block, control block and the timer
 * that runs at 3.579545 MHz whatever else happens.
 */
import type { AccessSize, RegisterBlock, Stateful } from '../bus';
import { requireVersion } from '../snapshot';
import type { Cycles } from '../time/event-queue';
import { ticksAt } from '../time/rate';

/** First port of the block as QEMU's PC has it, and how many there are. */
export const ACPI_PM = { base: 0x600, size: 12 } as const;
/** Offsets in the block. */
export const AcpiPmRegister = { Status: 0, Enable: 2, Control: 4, Timer: 8 } as const;

/** Cycles a second of the timer (4.8.2.1). */
export const PM_TIMER_HZ = 3_579_545;
/** The timer has 24 bits, as TMR_VAL_EXT = 0 in the FADT says. */
const TIMER_MASK = 0xffffff;

/** Control register: ACPI mode is on for good; SLP_TYP at bits 12:10; SLP_EN enters the sleep state. */
const Control = { SciEnable: 1, SleepType: 0x1c00, SleepEnable: 0x2000 } as const;

/** Snapshot of an `AcpiPm`. */
export interface AcpiPmState {
  version: 1;
  enable: number;
  control: number;
}

/** What the block asks of its machine. */
export interface AcpiPmHost {
  now(): Cycles;
  /** Cycles per second of the TSC. */
  readonly cyclesPerSecond: number;
  /** The guest entered a sleep state; nothing wakes it here. */
  sleep(type: number): void;
}

/** PM1a event and control block and the PM timer. No event ever occurs: the status stays 0. */
export class AcpiPm implements RegisterBlock, Stateful<AcpiPmState> {
  private enable = 0;
  private control = 0;

  constructor(private readonly host: AcpiPmHost) {}

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

  save(): AcpiPmState {
    return { version: 1, enable: this.enable, control: this.control };
  }

  load(state: AcpiPmState): void {
    requireVersion('the ACPI registers', state.version, 1);
    this.enable = state.enable;
    this.control = state.control;
  }

  private word(at: number): number {
    if (at === AcpiPmRegister.Timer) {
      return ticksAt(this.host.now(), PM_TIMER_HZ, this.host.cyclesPerSecond) & TIMER_MASK;
    }
    return at === AcpiPmRegister.Control ? this.control | Control.SciEnable : this.enable << 16;
  }

  private setControl(value: number): void {
    this.control = value & Control.SleepType;
    if ((value & Control.SleepEnable) !== 0) this.host.sleep((value & Control.SleepType) >> 10);
  }
}
