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
  version: 2;
  frames: Uint8Array[];
  held: number;
}

/** The tap device of one NIC. */
export class Tap implements FrameReceiver, JobTarget, Stateful<TapState> {
  private frames: Uint8Array[] = [];
  /** Frames that the main loop has come to and the NIC had no room for. */
  private held = 0;
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
      roomIn: (bytes) => wire.roomIn(bytes),
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
    this.thread.post(this, 0, 0);
  }

  onJob(): void {
    const [frame] = this.frames;
    if (!frame || !this.nic) return;
    // Those held before come first, and they have no room either.
    if (this.held > 0 || !this.nic.canReceive(frame.length)) {
      this.held += 1;
      return;
    }
    this.frames.shift();
    this.nic.receive(frame);
  }

  save(): TapState {
    return { version: 2, frames: [...this.frames], held: this.held };
  }

  load(state: TapState): void {
    requireVersion('a tap device', state.version, 2);
    this.frames = [...state.frames];
    this.held = state.held;
  }

  private goOn(): void {
    for (; this.held > 0; this.held--) this.thread.post(this, 0, 0);
  }
}
