/**
 * Run control: a run that can be stopped, stepped, read, changed and moved through time, in the caller's own thread. The debug
 * adapter and the GDB server are its two users. It knows machine addresses only; source lines and C are theirs.
 *
 * Whatever is asked here changes nothing in the trace, but `writeMemory` and `writeRegister`, which begin another future.
 */
import type { StateNode, StatePath } from '../../machine/inspect';

/**
 * A moment of a run: an instruction boundary, or a point between two events while no vCPU runs. All three figures only grow
 * in the course of a run, so that any of them orders moments.
 */
export interface Moment {
  /** Guest instructions retired by all vCPUs. */
  readonly instructions: number;
  /** Simulated time in cycles. */
  readonly cycles: number;
  /** Rows recorded. */
  readonly rows: number;
}

/** A vCPU of the run. */
export interface ControlledCpu {
  /** Position among all vCPUs of the run; what `cpu` means everywhere below. */
  readonly index: number;
  /** Position of its VM in the scenario, and the VM's name. */
  readonly vm: number;
  readonly vmName: string;
  /** Position in its VM. */
  readonly number: number;
}

/** Which memory an address is of. */
export type MemorySpace =
  /** Linear addresses of a vCPU, as it translates at this moment. */
  | { readonly kind: 'virtual'; readonly cpu: number }
  /** Guest-physical addresses of a VM. */
  | { readonly kind: 'physical'; readonly vm: number }
  /** Host-physical addresses. */
  | { readonly kind: 'host' }
  /** What a device names in DMA, by the track of the domain that translates it (`TrackType` domain). */
  | { readonly kind: 'iova'; readonly track: number };

/** Something at which a run stops. */
export type StopPoint = StopPointPlace & {
  /** Chosen by who sets it; unique among the points that are set. */
  readonly id: number;
  /**
   * Asked at each hit, at that very moment, whether the run is to stop: conditions, hit counts and logpoints. It may read
   * through the control that called it and nothing else. Absent: always.
   */
  readonly when?: (hit: PointHit) => boolean;
};

export type StopPointPlace =
  /** Before the instruction at a linear address is executed. Without `cpu`: by any vCPU of the VM. */
  | { readonly kind: 'code'; readonly vm: number; readonly cpu?: number; readonly address: bigint }
  /**
   * After an instruction or a device's DMA has read or written bytes of guest-physical memory. `change` stops only where the
   * bytes are others than they were.
   */
  | {
      readonly kind: 'data';
      readonly vm: number;
      readonly address: number;
      readonly length: number;
      readonly access: 'read' | 'write' | 'access' | 'change';
    }
  /**
   * After a row of the trace that a query of the find box matches (`trace/query/query.ts`). Where the query asks for durations, or
   * for the registers that exits were about (`exit:EPT_MISCONFIG reg:TDT`), the stop is where the span has ended: only then all that
   * is asked for is known.
   */
  | { readonly kind: 'event'; readonly query: string };

/** That a point was hit. */
export interface PointHit {
  readonly id: number;
  /** The vCPU that was at work, or the one that stands nearest where it was a device. */
  readonly cpu: number;
  /** Of a data point: who accessed, as the trace names it (`vCPU 0`, `e1000`), and how. */
  readonly access?: {
    readonly who: string;
    readonly isDevice: boolean;
    readonly write: boolean;
    readonly address: number;
    readonly length: number;
    readonly before: Uint8Array;
    readonly after: Uint8Array;
  };
  /** Of an event point: the row. */
  readonly row?: number;
}

/** Why a motion came to its end. */
export interface Stop {
  readonly reason:
    /** One or more points were hit: `hits`. */
    | 'point'
    /** The number of instructions, the time or the row that was asked for is reached. */
    | 'goal'
    /** `interrupt` was called. */
    | 'interrupted'
    /** Going backwards: the run's first moment. */
    | 'beginning'
    /** Going forwards: the run is over; `message` says how. */
    | 'ended';
  readonly hits: readonly PointHit[];
  /** The vCPU whose doing it was; where nobody's, the one that was stepped or stopped last. */
  readonly cpu: number;
  readonly moment: Moment;
  readonly message?: string;
}

/** A place in a run that may be named without knowing its moment. */
export type Goal =
  | { readonly kind: 'moment'; readonly moment: Moment }
  | { readonly kind: 'cycles'; readonly cycles: number }
  | { readonly kind: 'instructions'; readonly instructions: number }
  /**
   * The moment at which a row has just been recorded: the instruction that made it has not completed or is just behind. With
   * `atInstruction` `seek` goes on to where that instruction is about to be executed, if the row is about one: a reader who goes to
   * an event wants to see the line that does it.
   */
  | { readonly kind: 'row'; readonly row: number; readonly atInstruction?: boolean };

/** General and system registers of a vCPU. RIP is that of the next instruction. */
export interface RegisterFile {
  /** In the order of the instruction set: RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8 to R15. */
  readonly general: readonly bigint[];
  readonly rip: bigint;
  readonly rflags: bigint;
  /** ES, CS, SS, DS, FS, GS. */
  readonly segments: readonly { readonly selector: number; readonly base: bigint; readonly limit: number }[];
  readonly cr0: bigint;
  readonly cr2: bigint;
  readonly cr3: bigint;
  readonly cr4: bigint;
  readonly cr8: bigint;
  readonly efer: bigint;
  readonly cpl: number;
  /** Operating mode, by which code is disassembled and addresses wrap. */
  readonly mode: 'real' | 'protected' | 'compatibility' | 'long';
  /** HLT, waiting for a start-up IPI, or running. */
  readonly activity: 'running' | 'halted' | 'waiting';
}

/** A register that may be written. */
export type RegisterName = { readonly general: number } | 'rip' | 'rflags';

/** A machine at one moment, to be read. Reading has no side effects. */
export interface ControlReader {
  readonly cpus: readonly ControlledCpu[];
  /** Cycles per second. */
  readonly frequencyHz: number;
  readonly moment: Moment;
  registers(cpu: number): RegisterFile;
  /** One of those that can be written: what a condition asks for at each hit. */
  register(cpu: number, register: RegisterName): bigint;
  /**
   * Reads memory: no accessed bits are set, no device register is read, nothing comes into the trace.
   * @returns as many bytes as can be read from `address` on; shorter than `length` where nothing is mapped
   */
  readMemory(space: MemorySpace, address: bigint, length: number): Uint8Array;
  /** Guest-physical address of a linear one; undefined: not mapped. */
  translate(cpu: number, address: bigint): number | undefined;
  /** What a machine looks like inside, by name: see `machine/inspect.ts`. */
  inspect(path: StatePath): StateNode | undefined;
}

/** What counts on the way back. */
export interface BackwardOptions {
  /** An access that has been completed at this very moment counts too: the last one up to here is looked for. Default false. */
  readonly withPresent?: boolean;
}

/** The control of one run. Every motion returns once it has come to its end. */
export interface RunControl extends ControlReader {
  /** The latest moment that the run has come to so far; beyond it lies what was never simulated. */
  readonly frontier: Moment;
  /** Set once the run has come to its end at the frontier. */
  readonly ended: boolean;

  /**
   * Replaces all points.
   * @throws QueryError when a query cannot be understood; RangeError for a place that cannot be watched. Nothing changes then
   */
  setPoints(points: readonly StopPoint[]): void;

  /** Goes on until a point is hit, the goal is reached or the run ends. Points at the present moment do not count. */
  forward(goal?: Goal): Stop;
  /**
   * Goes back to the latest moment before this one at which a point was hit, or to the beginning. `when` of points is asked
   * in the order of time, so that counters of hits come out as forwards.
   * @param until not further back than this
   */
  backward(until?: Goal, options?: BackwardOptions): Stop;
  /** Lets one vCPU retire instructions, the others running beside it; points count. An interrupt may be taken in between. */
  stepInstruction(cpu: number, count?: number): Stop;
  /** Goes back by instructions of one vCPU. Points do not count. */
  stepBack(cpu: number, count?: number): Stop;
  /** Goes to a place in either direction. Points do not count. A goal beyond the end stops there. */
  seek(goal: Goal): Stop;
  /**
   * From another thread or a callback: whatever motion is under way ends within 200 ms as `interrupted`. Going backwards it
   * ends where it began.
   */
  interrupt(): void;

  /**
   * Reads the machine as it is at another moment, while this one stays where it is.
   * @param read is given a reader that is good until it returns
   */
  at<T>(goal: Goal, read: (there: ControlReader) => T): T;

  /** Whether a write at this moment would discard a future that has been simulated. */
  readonly hasFuture: boolean;
  /**
   * Changes RAM or a register and so begins another future: what had been simulated beyond this moment is discarded. Going
   * back and forth later, the change is made again at its moment.
   * @throws RangeError where nothing can be written
   */
  writeMemory(space: MemorySpace, address: bigint, bytes: Uint8Array): void;
  writeRegister(cpu: number, register: RegisterName, value: bigint): void;
}
