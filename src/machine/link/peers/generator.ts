/** A peer that sends frames of its own accord, whatever comes of them: an open load. */
import { requireVersion, type Checkpoint, type HardwareState, type Migratable } from '../../snapshot';
import type { Cycles, EventTarget, Scheduler } from '../../time/event-queue';
import { PendingEvent, type PendingEventRun } from '../../time/pending-event';
import { Random, streamSeed, type RandomState } from '../../time/random';
import type { LinkEnd } from '../link';
import { FRAME_MIN, type FrameReceiver } from '../wire';
import { drawGap, drawLength, type GapDistribution, type SizeDistribution } from './distributions';
import { testFrame } from './test-frame';

/** What a generator sends. */
export interface GeneratorOptions {
  /** Number of frames. */
  count: number;
  /** Bytes of a frame without FCS, 60 to 1514 (longer ones are jumbo frames). */
  sizes: SizeDistribution;
  /** From the start of one frame to the start of the next. The first gap lies before the first frame. */
  gaps: GapDistribution;
  /** Of the payload, the lengths and the gaps, each of which has a stream of its own. */
  seed: number;
  /** Its own address, six bytes. */
  mac: Uint8Array;
  /** Destination address, six bytes. */
  destination: Uint8Array;
}

/** What the hardware has of a `GeneratorPeer`. */
export interface GeneratorHardware extends HardwareState {
  version: 3;
  sent: number;
  received: number;
  random: { payload: RandomState; lengths: RandomState; gaps: RandomState };
  /** The part of a cycle by which the last gap was too short. */
  fraction: number;
  /** Cycles by which the next frame comes later than its gaps alone would have it, for want of a free wire. */
  lag: Cycles;
  /** Cycles until the next frame; -1: none is to come. */
  remaining: Cycles;
}

function shortest(sizes: SizeDistribution): number {
  switch (sizes.kind) {
    case 'fixed':
      return sizes.length;
    case 'uniform':
      return sizes.min;
    case 'weighted':
      return Math.min(...sizes.choices.map(({ length }) => length));
  }
}

/**
 * Sends frames of seeded random payload, with their number (`testFrame`), at times that do not depend on what becomes of them; no
 * faster than the wire carries. What the wire was busy for is made up for in longer gaps, so that the rate is kept. Counts
 * what it gets.
 */
export class GeneratorPeer
  implements FrameReceiver, EventTarget, Migratable<GeneratorHardware, PendingEventRun>
{
  received = 0;
  private sent = 0;
  private fraction = 0;
  private lag: Cycles = 0;
  private readonly nextFrame: PendingEvent;
  private readonly random: { payload: Random; lengths: Random; gaps: Random };

  /** Stands at `end`; call `start` once. @throws RangeError for frames that are too short */
  constructor(
    readonly eventTargetId: string,
    private readonly end: LinkEnd,
    private readonly scheduler: Scheduler,
    private readonly options: GeneratorOptions,
  ) {
    const least = shortest(options.sizes);
    if (least < FRAME_MIN)
      throw new RangeError(`generator frames of ${least} bytes: the least is ${FRAME_MIN}`);
    const stream = (purpose: string): Random => new Random(streamSeed(options.seed, purpose));
    this.random = { payload: stream('payload'), lengths: stream('lengths'), gaps: stream('gaps') };
    this.nextFrame = new PendingEvent(scheduler, (time) => scheduler.schedule(time, this, 0));
    end.attach(this);
  }

  /** Schedules the first frame. */
  start(): void {
    if (this.options.count > 0) this.nextFrame.comeAt(this.scheduler.now() + this.gapBefore(0, 0));
  }

  canReceive(): boolean {
    return true;
  }

  receive(): void {
    this.received += 1;
  }

  onEvent(_kind: number, _arg: number, time: Cycles): void {
    this.nextFrame.came();
    const number = this.sent++;
    const { count, sizes, mac, destination } = this.options;
    const length = drawLength(sizes, this.random.lengths);
    // The next one is scheduled first: it is no consequence of this frame.
    if (this.sent < count) {
      const wanted = this.gapBefore(this.sent, length) - this.lag;
      // Not before this frame has left: what is generated faster than the wire carries would pile up without end.
      const distance = Math.max(wanted, this.end.roomIn(0) + this.end.occupancy(length));
      this.lag = distance - wanted;
      this.nextFrame.comeAt(time + distance);
    }
    this.end.send(testFrame(length, destination, mac, number, this.random.payload), number);
  }

  save(): Checkpoint<GeneratorHardware, PendingEventRun> {
    const { sent, received, fraction, lag, nextFrame } = this;
    const { payload, lengths, gaps } = this.random;
    const random = { payload: payload.save(), lengths: lengths.save(), gaps: gaps.save() };
    const { remaining } = nextFrame;
    return {
      hardware: { version: 3, sent, received, random, fraction, lag, remaining },
      run: nextFrame.save(),
    };
  }

  load({ hardware, run }: Checkpoint<GeneratorHardware, PendingEventRun>): void {
    this.loadCounts(hardware);
    this.nextFrame.load(run);
  }

  adopt(hardware: GeneratorHardware): void {
    this.loadCounts(hardware);
    this.nextFrame.adopt(hardware.remaining);
  }

  private loadCounts(hardware: GeneratorHardware): void {
    requireVersion('a generator peer', hardware.version, 3);
    this.sent = hardware.sent;
    this.received = hardware.received;
    this.fraction = hardware.fraction;
    this.lag = hardware.lag;
    this.random.payload.load(hardware.random.payload);
    this.random.lengths.load(hardware.random.lengths);
    this.random.gaps.load(hardware.random.gaps);
  }

  /** Whole cycles; what is left over belongs to the next gap, so that a rate is kept exactly. */
  private gapBefore(number: number, previous: number): Cycles {
    const exact = drawGap(this.options.gaps, this.random.gaps, number, previous) + this.fraction;
    const whole = Math.floor(exact);
    this.fraction = exact - whole;
    return whole;
  }
}
