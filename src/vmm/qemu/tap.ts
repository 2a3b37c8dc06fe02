/** A tap device: packets from the host's network wait in it until QEMU's I/O thread reads them into the emulated NIC. */
import type { DeviceTrace, Stateful } from '../../machine/bus';
import type { FrameReceiver } from '../../machine/link/wire';
import { requireVersion } from '../../machine/snapshot';
import { Kind } from '../../trace/vocabulary/events';
import type { IoThread, JobTarget } from './io-thread';

/** Packets that wait in a tap device for QEMU's I/O thread (TUN_READQ_SIZE of Linux); what comes on top is lost. */
const TAP_QUEUE = 500;

/** Snapshot of a `Tap`; the packets themselves are jobs of the I/O thread. */
export interface TapState {
  version: 1;
  queued: number;
}

/** The tap device of one NIC. */
export class Tap implements FrameReceiver, JobTarget, Stateful<TapState> {
  private queued = 0;

  /**
   * @param jobTargetId unique in the run
   * @param trace of the NIC, which the losses are drawn at
   * @param full the drop reason of a packet that finds the queue full
   */
  constructor(
    readonly jobTargetId: string,
    private readonly thread: IoThread,
    private readonly trace: DeviceTrace,
    private readonly full: number,
    private readonly nic: FrameReceiver,
  ) {
    thread.register(this);
  }

  receive(frame: Uint8Array): void {
    if (this.queued === TAP_QUEUE) {
      this.trace.instant(Kind.PacketDrop, frame.length, this.full);
      return;
    }
    this.queued += 1;
    this.thread.post(this, 0, 0, frame);
  }

  onJob(_kind: number, _arg: number, frame: Uint8Array | undefined): void {
    this.queued -= 1;
    if (frame) this.nic.receive(frame);
  }

  save(): TapState {
    return { version: 1, queued: this.queued };
  }

  load(state: TapState): void {
    requireVersion('a tap device', state.version, 1);
    this.queued = state.queued;
  }
}
