/**
 * A tap device: packets from the host's network wait in it until the thread that serves the NIC reads them: QEMU's main loop, or a
 * vhost worker. Once awake, the thread reads what is there, up to a limit. What the NIC has no room for stays in the tap device
 * until it has (`can_receive` of QEMU's network layer).
 */
import type { DeviceTrace, Stateful } from '../../machine/bus';
import type { FrameReceiver, Wire } from '../../machine/link/wire';
import { requireVersion } from '../../machine/snapshot';
import type { Cycles } from '../../machine/time/event-queue';
import type { RowRef } from '../../trace/record/tracer';
import { Kind } from '../../trace/vocabulary/events';
import type { Step, StepTarget } from '../threads/work';
import type { JobTarget, Worker } from '../threads/worker';

/** Packets that wait in a tap device (TUN_READQ_SIZE of Linux); what comes on top is lost. */
const TAP_QUEUE = 500;

/** A packet that waits, and the row of its arrival. */
interface Waiting {
  frame: Uint8Array;
  cause: RowRef;
}

/** Snapshot of a `Tap`. */
export interface TapState {
  version: 4;
  waiting: Waiting[];
  asked: boolean;
  polled: boolean;
  busy: boolean;
  taken: number;
}

/** How the thread reads. */
export interface TapReading {
  /** Cycles for each packet after the first that it finds when it has come to the device. */
  cycles: Cycles;
  /** Packets after which it does something else first. */
  most: number;
}

/** The tap device of one NIC. */
export class Tap implements FrameReceiver, JobTarget, StepTarget, Stateful<TapState> {
  readonly stepTargetId: string;
  private waiting: Waiting[] = [];
  /** The thread has been told that there is something. */
  private asked = false;
  /** The thread looks at the device; not while the NIC has no room (`tap_read_poll` of QEMU). */
  private polled = true;
  /** It is at the device, and will read what comes meanwhile. */
  private busy = false;
  /** Packets read since it came to the device. */
  private taken = 0;
  private nic: FrameReceiver | undefined;
  private trace: DeviceTrace | undefined;

  /**
   * @param jobTargetId unique in the run
   * @param full the drop reason of a packet that finds the queue full
   */
  constructor(
    readonly jobTargetId: string,
    private readonly thread: Worker,
    private readonly reading: TapReading,
    private readonly full: number,
  ) {
    this.stepTargetId = jobTargetId;
    thread.register(this);
    thread.serve(this);
  }

  /** Connects the NIC that reads from here. @param trace of the NIC, which the losses are drawn at */
  connect(nic: FrameReceiver, trace: DeviceTrace): void {
    this.nic = nic;
    this.trace = trace;
  }

  /** The wire as the NIC is to see it: room in the NIC is told to this tap device. */
  wireOf(wire: Wire): Wire {
    return {
      send: (frame, packet) => wire.send(frame, packet),
      // A write to a tap device never waits: what the host's network has no room for is lost there.
      roomIn: () => 0,
      onRoom: () => this.goOn(),
    };
  }

  canReceive(): boolean {
    return this.waiting.length < TAP_QUEUE;
  }

  receive(frame: Uint8Array): void {
    if (!this.canReceive()) {
      this.trace?.instant(Kind.PacketDrop, frame.length, this.full);
      return;
    }
    this.waiting.push({ frame, cause: this.trace?.cause ?? 0 });
    this.ask();
  }

  /** The thread has come to the device. */
  onJob(): void {
    this.asked = false;
    this.busy = true;
    this.taken = 0;
    this.take();
  }

  /** Reading a further packet is no row of its own. */
  begin(step: Step): RowRef {
    return step.cause;
  }

  finish(): void {
    this.take();
  }

  save(): TapState {
    const { asked, polled, busy, taken } = this;
    const waiting = this.waiting.map((each) => ({ ...each }));
    return { version: 4, waiting, asked, polled, busy, taken };
  }

  load(state: TapState): void {
    requireVersion('a tap device', state.version, 4);
    this.waiting = state.waiting.map((each) => ({ ...each }));
    this.asked = state.asked;
    this.polled = state.polled;
    this.busy = state.busy;
    this.taken = state.taken;
  }

  /** One packet goes to the NIC; the current cause is its row. */
  private take(): void {
    const { thread, reading } = this;
    const next = this.handOver() ? this.waiting[0] : undefined;
    this.busy = next !== undefined && this.taken < reading.most;
    if (!next) return;
    if (this.busy) {
      const { cycles } = reading;
      thread.work.add({ target: this.stepTargetId, cycles, kind: 0, a: 0, b: 0, c: 0, cause: next.cause });
    } else this.ask();
  }

  /** False: there is none, or the NIC has no room. */
  private handOver(): boolean {
    const { nic } = this;
    const [first] = this.waiting;
    if (!first || !nic || !this.polled) return false;
    if (!nic.canReceive(first.frame.length)) {
      this.polled = false;
      return false;
    }
    this.waiting.shift();
    this.taken += 1;
    nic.receive(first.frame);
    return true;
  }

  /** The NIC has room again. */
  private goOn(): void {
    if (this.polled) return;
    this.polled = true;
    this.ask();
  }

  private ask(): void {
    if (this.asked || this.busy || !this.polled || this.waiting.length === 0) return;
    this.asked = true;
    this.thread.post(this, 0, 0);
  }
}
