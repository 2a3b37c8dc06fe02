/**
 * The interrupt vectors that the host's kernel gives to its devices, for each physical CPU apart, as Linux does (struct
 * irq_matrix, arch/x86/kernel/apic/vector.c): the vector of a message and the CPU that it goes to are chosen together.
 */
import type { Stateful } from '../../machine/bus';
import { SnapshotError, requireVersion } from '../../machine/snapshot';

/** Somebody whose interrupts the kernel takes. The id is stable across runs, so that a snapshot can name it. */
export interface HostIrqTarget {
  readonly hostIrqId: string;
  /** The handler of one of its vectors runs; the tracer's cause is the vector's arrival. */
  onHostIrq(arg: number): void;
}

/** A vector on a physical CPU. */
export interface HostVectorPlace {
  /** Position in the island. */
  readonly cpu: number;
  readonly vector: number;
}

/** Snapshot of a `HostVectors`. */
export interface HostVectorsState {
  version: 1;
  given: { cpu: number; vector: number; target: string; arg: number }[];
}

/**
 * Vectors of Linux on x86 (arch/x86/include/asm/irq_vectors.h): devices' lie from behind IRQ_MOVE_CLEANUP_VECTOR up to where
 * the kernel's own begin, but for those of the ISA interrupts and the gate of old system calls.
 */
const FIRST = 0x21;
const FIRST_SYSTEM_VECTOR = 0xec;
const ISA = { first: 0x30, last: 0x3f } as const;
const SYSTEM_CALL = 0x80;

const VECTORS = 256;

/** The vectors of the devices of one island's physical CPUs. */
export class HostVectors implements Stateful<HostVectorsState> {
  private readonly cpus: readonly number[];
  private readonly targets = new Map<string, HostIrqTarget>();
  /** By CPU and vector. */
  private readonly given = new Map<number, { target: HostIrqTarget; arg: number }>();

  /** @param count physical CPUs of the island */
  constructor(count: number) {
    this.cpus = Array.from({ length: count }, (_, cpu) => cpu);
  }

  /** Makes somebody known, before a vector is asked for it. */
  register(target: HostIrqTarget): void {
    this.targets.set(target.hostIrqId, target);
  }

  /**
   * Gives the lowest free vectors of a CPU: as many as are asked for, one behind the other, the first a multiple of their number
   * (PCI Local Bus Specification 3.0, 6.8.1.6). The handler of each gets `arg` and its place among them, added.
   * @param count a power of two
   * @returns the first; undefined: the CPU has not so many left
   */
  give(cpu: number, count: number, target: HostIrqTarget, arg: number): HostVectorPlace | undefined {
    for (let first = Math.ceil(FIRST / count) * count; first + count <= FIRST_SYSTEM_VECTOR; first += count) {
      const wanted = Array.from({ length: count }, (_, index) => first + index);
      if (!wanted.every((vector) => this.isFree(cpu, vector))) continue;
      wanted.forEach((vector, index) => this.given.set(cpu * VECTORS + vector, { target, arg: arg + index }));
      return { cpu, vector: first };
    }
    return undefined;
  }

  /**
   * Gives a vector that somebody has to have exactly, and on all CPUs, so that it means the same wherever it comes.
   * @returns false: it is another's on some CPU, or the kernel's
   */
  giveEverywhere(vector: number, target: HostIrqTarget, arg: number): boolean {
    const { cpus } = this;
    const isDevices = vector >= FIRST && vector < FIRST_SYSTEM_VECTOR;
    if (!isDevices || !cpus.every((cpu) => this.isFree(cpu, vector))) return false;
    for (const cpu of cpus) this.given.set(cpu * VECTORS + vector, { target, arg });
    return true;
  }

  /** Takes such a vector back. */
  takeBackEverywhere(vector: number): void {
    for (const cpu of this.cpus) this.takeBack({ cpu, vector }, 1);
  }

  /** Takes vectors back, which nobody's messages carry any more. */
  takeBack({ cpu, vector }: HostVectorPlace, count: number): void {
    for (let index = 0; index < count; index++) this.given.delete(cpu * VECTORS + vector + index);
  }

  /** A vector has come to a CPU: its handler runs. One that is nobody's is spurious. */
  handle(cpu: number, vector: number): void {
    const found = this.given.get(cpu * VECTORS + vector);
    found?.target.onHostIrq(found.arg);
  }

  save(): HostVectorsState {
    const given = [...this.given].map(([key, { target, arg }]) => ({
      cpu: Math.floor(key / VECTORS),
      vector: key % VECTORS,
      target: target.hostIrqId,
      arg,
    }));
    return { version: 1, given };
  }

  load(state: HostVectorsState): void {
    requireVersion('the interrupt vectors of the host', state.version, 1);
    this.given.clear();
    for (const { cpu, vector, target: id, arg } of state.given) {
      const target = this.targets.get(id);
      if (!target)
        throw new SnapshotError(`snapshot has an interrupt for '${id}', which this machine does not have`);
      this.given.set(cpu * VECTORS + vector, { target, arg });
    }
  }

  private isFree(cpu: number, vector: number): boolean {
    const ofIsa = vector >= ISA.first && vector <= ISA.last;
    return !ofIsa && vector !== SYSTEM_CALL && !this.given.has(cpu * VECTORS + vector);
  }
}
