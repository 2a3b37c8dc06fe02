/** The two commands of register-based invalidation, and the address that one of them goes by (VT-d specification, 10.4.7, 10.4.8). */
import type { Cycles } from '../time/event-queue';
import {
  CommandRegister,
  type CommandHardware,
  type CommandRun,
  type PerformedCommand,
} from './command-register';
import { contextInvalidation, iotlbInvalidation, type Invalidation } from './descriptors';
import { drains, type Invalidator } from './invalidator';
import { ContextCommand, IotlbCommand, Reg, type Register } from './layout';
import type { UnitClock } from './unit-clock';
import { field, isSet, pageAddress } from './words';

/** What the commands need of their unit. */
export interface CommandsHost {
  readonly clock: UnitClock;
  /** Numbers of the unit's events that end them. */
  readonly events: { context: number; iotlb: number };
  readonly cost: Cycles;
  readonly invalidator: Invalidator;
  /** When the requests that are under way now have come to memory. */
  drained(): Cycles;
  /** Whether the invalidation queue is on: the registers do nothing then (6.5.2). */
  queued(): boolean;
}

/** What the hardware has. */
export interface CommandsHardware {
  context: CommandHardware;
  iotlb: CommandHardware;
  address: Uint32Array;
}

/** What the run has. */
export interface CommandsRun {
  context: CommandRun;
  iotlb: CommandRun;
}

/** CCMD, IOTLB and IVA. */
export class InvalidationCommands {
  /** IVA. */
  private readonly address = new Uint32Array(2);
  private readonly context: CommandRegister;
  private readonly iotlb: CommandRegister;

  constructor(private readonly host: CommandsHost) {
    const { clock, events, cost } = host;
    this.context = new CommandRegister(
      {
        offset: Reg.ContextCommand,
        name: 'CCMD',
        event: events.context,
        actual: ContextCommand.actual,
        perform: (low, high, begin) => this.invalidateContexts(low, high, begin),
      },
      clock,
      cost,
    );
    this.iotlb = new CommandRegister(
      {
        offset: Reg.Iotlb,
        name: 'IOTLB',
        event: events.iotlb,
        actual: IotlbCommand.actual,
        perform: (_low, high, begin) => this.invalidatePages(high, begin),
      },
      clock,
      cost,
    );
  }

  registers(): Register[] {
    const half = (at: number, name: string): Register => ({
      offset: Reg.InvalidateAddress + 4 * at,
      name,
      // Write only (10.4.8.2).
      read: () => 0,
      write: (value) => void (this.address[at] = value),
    });
    return [...this.context.registers(), half(0, 'IVA'), half(1, 'IVA_HI'), ...this.iotlb.registers()];
  }

  /** An event of one of the commands. */
  onEvent(kind: number): void {
    if (kind === this.host.events.context) this.context.onEvent();
    else this.iotlb.onEvent();
  }

  reset(): void {
    this.context.reset();
    this.iotlb.reset();
    this.address.fill(0);
  }

  save(): { hardware: CommandsHardware; run: CommandsRun } {
    const context = this.context.save();
    const iotlb = this.iotlb.save();
    return {
      hardware: { context: context.hardware, iotlb: iotlb.hardware, address: this.address.slice() },
      run: { context: context.run, iotlb: iotlb.run },
    };
  }

  load(hardware: CommandsHardware, run: CommandsRun): void {
    this.address.set(hardware.address);
    this.context.load(hardware.context, run.context);
    this.iotlb.load(hardware.iotlb, run.iotlb);
  }

  adopt(hardware: CommandsHardware): void {
    this.address.set(hardware.address);
    this.context.adopt(hardware.context);
    this.iotlb.adopt(hardware.iotlb);
  }

  private invalidateContexts(low: number, high: number, begin: Cycles): PerformedCommand {
    const granularity = field(high, ContextCommand.granularity, 2);
    const what = contextInvalidation(granularity, field(low, 0, 16), field(low, 16, 16), field(high, 0, 2));
    return this.perform(what, granularity, begin);
  }

  private invalidatePages(high: number, begin: Cycles): PerformedCommand {
    const { address } = this;
    const granularity = field(high, IotlbCommand.granularity, 2);
    const range = { address: pageAddress(address), mask: field(address[0], 0, 6) };
    const what = iotlbInvalidation(granularity, field(high, 0, 16), range, isSet(address[0], 6));
    return this.perform(what, granularity, begin);
  }

  private perform(what: Invalidation | undefined, granularity: number, begin: Cycles): PerformedCommand {
    const { invalidator, clock, drained, queued } = this.host;
    const now = clock.now();
    if (!what || queued()) return { granularity: 0, end: now };
    const end = drains(what) ? drained() : now;
    invalidator.apply(what, { by: 'register', begin, end });
    return { granularity, end };
  }
}
