/** What the parts of the controller share: its neighbours, its medium, its counters, and whether it works. */
import { Kind } from '../../../trace/vocabulary/events';
import type { DeviceBus, RequesterId } from '../../bus';
import type { BlockImage } from '../storage/block-image';
import { USUAL_TIMING, type NvmeOptions, type NvmeTiming } from './options';

/** The PCI function, as the parts see it. */
export interface FunctionFacts {
  requester(): RequesterId;
  busMaster(): boolean;
}

/** What the SMART log counts (5.14.1.2). */
export interface Counters {
  /** In units of 512 bytes; the log has thousands of them. */
  unitsRead: number;
  unitsWritten: number;
  reads: number;
  writes: number;
  /** Of the error log, since the first of all. */
  errors: number;
}

/** The surroundings of the parts. */
export class NvmeCore {
  readonly timing: NvmeTiming;
  readonly counters: Counters = {
    unitsRead: 0,
    unitsWritten: 0,
    reads: 0,
    writes: 0,
    errors: 0,
  };
  /** Bytes of a memory page, as CC.MPS had it when the controller was enabled. */
  pageSize = 4096;
  /** Something failed that no completion can tell of (CSTS.CFS). No further command is taken until the next reset. */
  failed = false;

  constructor(
    readonly bus: DeviceBus,
    readonly options: NvmeOptions,
    readonly image: BlockImage,
    readonly pci: FunctionFacts,
  ) {
    this.timing = { ...USUAL_TIMING, ...options.timing };
  }

  /** Logical blocks of the namespace. */
  get blocks(): number {
    return this.options.size / this.options.blockSize;
  }

  /** Cycles of a time of the data sheet: at least one, so that nothing ends within the call that began it. */
  cycles(nanoseconds: number): number {
    return Math.max(1, Math.round(nanoseconds * this.bus.cyclesPerNanosecond));
  }

  /**
   * Fails as a whole (9.5), for what the driver has put into a register: the base of a queue, its doorbell, CC.
   * @param register its offset, for the note in the trace
   */
  fail(register: number, value: number): void {
    this.failed = true;
    this.aside(Kind.DeviceMisused, register, value);
  }

  /** Writes a note at the device without making it the cause of what follows. */
  aside(kind: number, a: number, b: number): void {
    const { trace } = this.bus;
    const { cause } = trace;
    trace.instant(kind, a, b);
    trace.cause = cause;
  }
}
