/** Steps of one vCPU: others run beside it, and time passes while it sleeps. */
import { Kind } from '../../trace/vocabulary/events';
import type { RecordedRow } from '../../trace/record/row-watch';
import type { RunSession } from '../session';
import type { InterruptFlag } from './interrupt-flag';
import type { MachineReader } from './machine-reader';
import type { Arrival, Travel } from './travel';
import type { Watchers } from './watchers';

/** Rows by which a vCPU is at the first instruction of a handler. */
const DELIVERIES: ReadonlySet<number> = new Set([Kind.IrqDeliver, Kind.Handler]);

export class CpuSteps {
  constructor(
    private readonly session: RunSession,
    private readonly reader: MachineReader,
    private readonly travel: Travel,
    private readonly watchers: Watchers,
    private readonly flag: InterruptFlag,
  ) {}

  /** One vCPU retires a number of instructions; the first instruction of a handler is a stop on the way. */
  forward(cpu: number, count: number): Arrival {
    for (let done = 0; done < count; done++) {
      const arrival = this.towards(cpu, this.instructions(cpu) + 1, true);
      if (arrival !== 'reached') return arrival;
    }
    return 'reached';
  }

  /** Back to where it had retired fewer; 'beginning': it had never retired so few. */
  back(cpu: number, count: number): Arrival | 'beginning' {
    const wanted = this.instructions(cpu) - count;
    // The first moment at which it had retired so many, which is not that of a checkpoint where others run beside it.
    this.travel.restoreByCounts((counts) => (counts[cpu] ?? 0) < wanted);
    if (wanted <= this.instructions(cpu)) return wanted < 0 ? 'beginning' : 'reached';
    const arrival = this.towards(cpu, wanted, false);
    if (this.instructions(cpu) <= wanted) return arrival;
    // It woke up without a row that tells of it: the same way once more, in the smallest steps.
    this.travel.restoreByCounts((counts) => (counts[cpu] ?? 0) < wanted);
    return this.towards(cpu, wanted, false, true);
  }

  /** @param careful no more instructions are let go at once than this vCPU may retire, even while it sleeps */
  private towards(cpu: number, wanted: number, stopsAtHandlers: boolean, careful = false): Arrival {
    const { watchers, travel, flag } = this;
    let delivered = false;
    const isOwn = ({ track }: RecordedRow): boolean => watchers.cpuOfTrack(track) === cpu;
    const delivers = (row: RecordedRow): boolean => {
      if (!DELIVERIES.has(row.kind) || !isOwn(row)) return false;
      return (delivered = true);
    };
    for (;;) {
      const missing = wanted - this.instructions(cpu);
      if (missing <= 0) return 'reached';
      // This vCPU retires no more than all together; while it sleeps, others go on until something is recorded of it.
      const asleep =
        !careful && this.reader.viewOf(cpu).activity !== 'running' && this.reader.cpus.length > 1;
      const most = asleep ? Infinity : this.session.instructions + missing;
      const go = (): boolean => travel.slice(most);
      const wakes = (row: RecordedRow): boolean => delivers(row) || isOwn(row);
      const goesOn = asleep || stopsAtHandlers ? watchers.until(asleep ? wakes : delivers, go) : go();
      if (watchers.hit) return 'hit';
      if (!goesOn) return 'over';
      if (delivered && stopsAtHandlers) return 'reached';
      delivered = false;
      if (flag.take()) return 'interrupted';
    }
  }

  private instructions(cpu: number): number {
    return this.reader.viewOf(cpu).cpu.instructions();
  }
}
