/** A peer that waits for acknowledgements, as a TCP sender does: a closed load. */
import type { DeviceTrace } from '../../bus';
import { requireVersion, type Checkpoint, type HardwareState, type Migratable } from '../../snapshot';
import type { Cycles, EventTarget, Scheduler } from '../../time/event-queue';
import { PendingEvent, type PendingEventRun } from '../../time/pending-event';
import { Random, streamSeed } from '../../time/random';
import { Kind } from '../../../trace/vocabulary/events';
import { addressAt } from '../address-table';
import type { LinkEnd } from '../link';
import type { FrameReceiver } from '../wire';
import { testFrame, testFrameNumber } from './test-frame';

/** The time-out is doubled up to this many times what it is at first. */
const MOST_BACKOFF = 64;
/** The least slow-start threshold (RFC 5681, equation 4). */
const LEAST_THRESHOLD = 2;

/** What a `WindowPeer` does. */
export interface WindowOptions {
  /** Number of packets to be acknowledged. */
  count: number;
  /** Bytes of a frame without FCS, 60 to 1514. */
  length: number;
  /** Packets under way at the most. */
  window: number;
  /** Cycles without an acknowledgement after which what is under way counts as lost. */
  timeout: Cycles;
  /** Cycles from the beginning of the run to the first packet. */
  delay: Cycles;
  /** Of the payload. */
  seed: number;
  /** Its own address, six bytes. */
  mac: Uint8Array;
  /** Destination address, six bytes. */
  destination: Uint8Array;
  cyclesPerNanosecond: number;
}

/** What has come of the packets so far. */
export interface WindowCounters {
  acknowledged: number;
  /** Acknowledgements of what had been acknowledged, and frames that are none. */
  ignored: number;
  retransmitted: number;
  timeouts: number;
  /** Packets that were sent once and acknowledged: only of these is a round trip known (Karn's rule). */
  roundTrips: number;
  /** Sum of their cycles, and the shortest and the longest; 0 without any. */
  roundTripCycles: Cycles;
  shortest: Cycles;
  longest: Cycles;
}

/** What the hardware has of a `WindowPeer`. */
export interface WindowHardware extends HardwareState {
  version: 1;
  /** Frames sent so far, and the number of the next packet that was never sent. */
  sent: number;
  next: number;
  /** Under way, in the order of sending: `age` cycles since then, and whether it was sent before. */
  flight: { number: number; again: boolean; age: Cycles }[];
  /** To be sent again, by ascending number. */
  lost: number[];
  window: number;
  threshold: number;
  /** Acknowledgements since the window was last opened, beyond slow start. */
  credit: number;
  backoff: number;
  counters: WindowCounters;
  /** Cycles until the next event: the beginning or the time-out; -1: none is to come. */
  remaining: Cycles;
}

/** What the run has of it: the event, and when each packet under way was sent. */
export interface WindowRun extends PendingEventRun {
  sentAt: Cycles[];
}

interface Sent {
  number: number;
  again: boolean;
  at: Cycles;
}

/**
 * Keeps a window of numbered packets (`testFrame`) under way, and takes each that comes back as its own acknowledgement:
 * addressed to this peer, or from its address where the other side sends frames back unchanged. The window follows RFC 5681:
 * it begins at one packet, grows by one with each acknowledgement up to the threshold (slow start), then by one with each window
 * that was acknowledged. When nothing is acknowledged for the time-out, all that is under way is lost: the threshold becomes half
 * of it, the window one packet, the time-out is doubled until the next acknowledgement, and the lost packets are sent again.
 */
export class WindowPeer implements FrameReceiver, EventTarget, Migratable<WindowHardware, WindowRun> {
  private sent = 0;
  private next = 0;
  private flight: Sent[] = [];
  private lost: number[] = [];
  private window = 1;
  private threshold: number;
  private credit = 0;
  private backoff = 1;
  private counts: WindowCounters = {
    acknowledged: 0,
    ignored: 0,
    retransmitted: 0,
    timeouts: 0,
    roundTrips: 0,
    roundTripCycles: 0,
    shortest: 0,
    longest: 0,
  };
  private readonly timer: PendingEvent;

  /** Stands at `end`; call `start` once. */
  constructor(
    readonly eventTargetId: string,
    private readonly end: LinkEnd,
    private readonly scheduler: Scheduler,
    private readonly trace: DeviceTrace,
    private readonly options: WindowOptions,
  ) {
    this.threshold = options.window;
    this.timer = new PendingEvent(scheduler, (time) => scheduler.schedule(time, this, 0));
    end.attach(this);
  }

  get counters(): Readonly<WindowCounters> {
    return this.counts;
  }

  /** Schedules the first packet. */
  start(): void {
    this.timer.comeAt(this.scheduler.now() + this.options.delay);
  }

  canReceive(): boolean {
    return true;
  }

  receive(frame: Uint8Array): void {
    const number = this.numberOf(frame);
    if (number === undefined || !this.acknowledge(number)) {
      this.counts.ignored += 1;
      return;
    }
    this.counts.acknowledged += 1;
    this.backoff = 1;
    this.open();
    this.send();
    this.setTimer();
  }

  onEvent(): void {
    this.timer.came();
    if (this.flight.length > 0) this.timeOut();
    this.send();
    this.setTimer();
  }

  save(): Checkpoint<WindowHardware, WindowRun> {
    const { sent, next, window, threshold, credit, backoff, timer } = this;
    const now = this.scheduler.now();
    return {
      hardware: {
        version: 1,
        ...{ sent, next, window, threshold, credit, backoff },
        flight: this.flight.map(({ number, again, at }) => ({ number, again, age: now - at })),
        lost: [...this.lost],
        counters: { ...this.counts },
        remaining: timer.remaining,
      },
      run: { ...timer.save(), sentAt: this.flight.map(({ at }) => at) },
    };
  }

  load({ hardware, run }: Checkpoint<WindowHardware, WindowRun>): void {
    this.loadHardware(hardware, run.sentAt);
    this.timer.load(run);
  }

  adopt(hardware: WindowHardware): void {
    const now = this.scheduler.now();
    this.loadHardware(
      hardware,
      hardware.flight.map(({ age }) => now - age),
    );
    this.timer.adopt(hardware.remaining);
  }

  private loadHardware(hardware: WindowHardware, sentAt: readonly Cycles[]): void {
    requireVersion('a window peer', hardware.version, 1);
    this.sent = hardware.sent;
    this.next = hardware.next;
    this.flight = hardware.flight.map(({ number, again }, i) => ({ number, again, at: sentAt[i] }));
    this.lost = [...hardware.lost];
    this.window = hardware.window;
    this.threshold = hardware.threshold;
    this.credit = hardware.credit;
    this.backoff = hardware.backoff;
    this.counts = { ...hardware.counters };
  }

  /** The number of one of its own packets that has come back. */
  private numberOf(frame: Uint8Array): number | undefined {
    const number = testFrameNumber(frame);
    if (number === undefined) return undefined;
    const own = addressAt(this.options.mac, 0);
    return addressAt(frame, 0) === own || addressAt(frame, 6) === own ? number : undefined;
  }

  /** Takes a packet for acknowledged; false when nobody waits for that. */
  private acknowledge(number: number): boolean {
    const index = this.flight.findIndex((each) => each.number === number);
    if (index < 0) {
      // It was given up too soon.
      const late = this.lost.indexOf(number);
      if (late >= 0) this.lost.splice(late, 1);
      return late >= 0;
    }
    const [{ again, at }] = this.flight.splice(index, 1);
    if (!again) this.measure(this.scheduler.now() - at);
    return true;
  }

  private measure(cycles: Cycles): void {
    const { counts } = this;
    counts.roundTripCycles += cycles;
    counts.shortest = counts.roundTrips === 0 ? cycles : Math.min(counts.shortest, cycles);
    counts.longest = Math.max(counts.longest, cycles);
    counts.roundTrips += 1;
    const nanoseconds = Math.round(cycles / this.options.cyclesPerNanosecond);
    this.note(Kind.PacketAcked, nanoseconds, this.window);
  }

  /** An acknowledgement opens the window. */
  private open(): void {
    if (this.window < this.threshold) this.window += 1;
    else {
      this.credit += 1;
      if (this.credit < this.window) return;
      this.credit = 0;
      this.window += 1;
    }
    this.window = Math.min(this.window, this.options.window);
  }

  private timeOut(): void {
    this.note(Kind.PacketTimeout, this.flight.length, this.window);
    this.counts.timeouts += 1;
    this.threshold = Math.max(LEAST_THRESHOLD, Math.floor(this.flight.length / 2));
    this.window = 1;
    this.credit = 0;
    this.backoff = Math.min(MOST_BACKOFF, this.backoff * 2);
    this.lost = [...this.lost, ...this.flight.map(({ number }) => number)].sort((x, y) => x - y);
    this.flight = [];
  }

  /** Sends as much as the window allows: what was lost first. */
  private send(): void {
    const { count, length, mac, destination, seed } = this.options;
    while (this.flight.length < this.window) {
      const lost = this.lost.shift();
      if (lost === undefined && this.next === count) return;
      const number = lost ?? this.next++;
      const again = lost !== undefined;
      if (again) this.counts.retransmitted += 1;
      this.flight.push({ number, again, at: this.scheduler.now() });
      // The same bytes each time it is sent.
      const payload = new Random(streamSeed(seed, `packet ${number}`));
      this.end.send(testFrame(length, destination, mac, number, payload), this.sent++);
    }
  }

  /** The time-out is that of the packet which has been under way for longest. */
  private setTimer(): void {
    const [oldest] = this.flight;
    if (!oldest) this.timer.cancel();
    else this.timer.comeAt(Math.max(this.scheduler.now(), oldest.at + this.options.timeout * this.backoff));
  }

  /** Leaves the cause as it was: a note is no cause of what is sent next. */
  private note(kind: number, a: number, b: number): void {
    const { cause } = this.trace;
    this.trace.instant(kind, a, b);
    this.trace.cause = cause;
  }
}
