/**
 * A tap device: packets from the host's network wait in it until QEMU's main loop reads them into the emulated NIC. What the
 * NIC has no room for stays in the tap device until it has (`can_receive` of QEMU's network layer).
 */
import type { DeviceTrace, Stateful } from '../../machine/bus';
import type { FrameReceiver, Wire } from '../../machine/link/wire';
import { requireVersion } from '../../machine/snapshot';
import { Kind } from '../../trace/vocabulary/events';
import type { JobTarget, Worker } from '../threads/worker';

/** Packets that wait in a tap device (TUN_READQ_SIZE of Linux); what comes on top is lost. */
const TAP_QUEUE = 500;

/** Snapshot of a `Tap`. */
export interface TapState {
  version: 3;
  frames: Uint8Array[];
  posted: number;
  polled: boolean;
}

/** The tap device of one NIC. */
export class Tap implements FrameReceiver, JobTarget, Stateful<TapState> {
  private frames: Uint8Array[] = [];
  /** Jobs of the main loop that have not begun: each takes a frame. */
  private posted = 0;
  /** The main loop looks at the device; not while the NIC has no room (`tap_read_poll` of QEMU). */
  private polled = true;
  private nic: FrameReceiver | undefined;
  private trace: DeviceTrace | undefined;

  /**
   * @param jobTargetId unique in the run
   * @param full the drop reason of a packet that finds the queue full
   */
  constructor(
    readonly jobTargetId: string,
    private readonly thread: Worker,
    private readonly full: number,
  ) {
    thread.register(this);
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
    return this.frames.length < TAP_QUEUE;
  }

  receive(frame: Uint8Array): void {
    if (!this.canReceive()) {
      this.trace?.instant(Kind.PacketDrop, frame.length, this.full);
      return;
    }
    this.frames.push(frame);
    if (this.polled) this.postJobs();
  }

  onJob(): void {
    this.posted -= 1;
    const [frame] = this.frames;
    if (!frame || !this.nic || !this.polled) return;
    if (!this.nic.canReceive(frame.length)) {
      this.polled = false;
      return;
    }
    this.frames.shift();
    this.nic.receive(frame);
  }

  save(): TapState {
    return { version: 3, frames: [...this.frames], posted: this.posted, polled: this.polled };
  }

  load(state: TapState): void {
    requireVersion('a tap device', state.version, 3);
    this.frames = [...state.frames];
    this.posted = state.posted;
    this.polled = state.polled;
  }

  /** The NIC has room again. */
  private goOn(): void {
    this.polled = true;
    this.postJobs();
  }

  private postJobs(): void {
    for (; this.posted < this.frames.length; this.posted++) this.thread.post(this, 0, 0);
  }
}
