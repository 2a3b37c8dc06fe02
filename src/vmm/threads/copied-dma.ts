/**
 * DMA of a device that software stands in for: each transaction is a copy, a step in the work of the thread that runs the
 * device's model at the time.
 */
import type { BusDevice, DmaPort, DmaResult } from '../../machine/bus';
import type { DmaMemory } from '../../machine/memory/dma-memory';
import type { Cycles } from '../../machine/time/event-queue';
import type { RowRef } from '../../trace/record/tracer';
import { Kind } from '../../trace/vocabulary/events';
import type { Site } from '../host';
import type { Step, StepTarget, Work } from './work';

/** Kinds of steps. */
const Doing = { Read: 0, Write: 1 } as const;

const NOTHING = new Uint8Array(0);
const BYTES_PER_UNIT = 64;

/** What the copies need to know of the device. */
export interface CopiedDmaPlace {
  /** Unique in the run: `vm0/e1000/dma`. */
  id: string;
  /** The track of the device's DMA, which is made when there is some. */
  dmaTrack: () => number;
  /** What the trace calls the device. */
  who: string;
  memory: DmaMemory;
  /** Whether the device may read and write memory. */
  busMaster: () => boolean;
  /** The work of the thread that runs the model now. */
  work: () => Work;
  /** Who is told of the ends; undefined before it exists. */
  device: () => BusDevice | undefined;
}

/** The transactions of one device. */
export class CopiedDma implements DmaPort, StepTarget {
  readonly stepTargetId: string;

  /** @param targets those whose steps the threads may do, by id; it adds itself */
  constructor(
    private readonly site: Site,
    private readonly place: CopiedDmaPlace,
    targets: Map<string, StepTarget>,
  ) {
    this.stepTargetId = place.id;
    targets.set(this.stepTargetId, this);
  }

  read(requester: number, address: number, length: number, tag: number): void {
    this.add(Doing.Read, requester, { a: address, b: tag, c: length });
  }

  write(requester: number, address: number, bytes: Uint8Array, tag: number): void {
    this.add(Doing.Write, requester, { a: address, b: tag, c: bytes.length, bytes });
  }

  look(requester: number, address: number, length: number): Uint8Array | undefined {
    return this.place.memory.look(requester, address, length);
  }

  /** The copy takes as long as its address does to be translated, beside what it takes anyhow. */
  prepare(step: Step): Step {
    const { memory, busMaster } = this.place;
    if (!busMaster()) return step;
    const way = memory.translate(step.d ?? 0, step.a, step.c, step.kind === Doing.Write);
    return { ...step, way, cycles: step.cycles + way.cycles };
  }

  begin(step: Step, time: Cycles): RowRef {
    const { way } = step;
    const { cause } = this.site.tracer;
    if (!way || 'fault' in way) return cause;
    this.place.memory.landsAt(time + step.cycles);
    const kind = step.kind === Doing.Read ? Kind.DmaRead : Kind.DmaWrite;
    return this.site.tracer.span(time, step.cycles, this.place.dmaTrack(), kind, step.a, step.c);
  }

  finish(step: Step): void {
    this.place.device()?.onDma(step.b, this.copied(step));
  }

  /** A copy takes its set-up, and so much for each piece. */
  private add(kind: number, requester: number, what: Pick<Step, 'a' | 'b' | 'c' | 'bytes'>): void {
    const { costs, tracer } = this.site;
    const cycles =
      costs['device.dmaSetup'] + Math.ceil(what.c / BYTES_PER_UNIT) * costs['device.dmaPer64Bytes'];
    const step = { ...what, kind, d: requester, cycles };
    this.place.work().add({ ...step, target: this.stepTargetId, cause: tracer.cause });
  }

  private copied({ kind, way, d = 0, bytes = NOTHING }: Step): DmaResult {
    const { memory, busMaster, who } = this.place;
    if (!busMaster() || !way) return 'master-abort';
    if ('fault' in way) return way.fault;
    return kind === Doing.Read ? memory.readFrom(way.pieces, who) : memory.writeTo(d, way.pieces, bytes, who);
  }
}
