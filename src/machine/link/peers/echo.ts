/** A peer that sends back what it gets. */
import { requireVersion, type Checkpoint, type HardwareState, type Migratable } from '../../snapshot';
import type { Cycles, EventTarget, Scheduler } from '../../time/event-queue';
import { addressAt, isGroup } from '../address-table';
import type { LinkEnd } from '../link';
import type { FrameReceiver } from '../wire';
import { Turnaround, type TurnaroundHardware, type TurnaroundRun } from './turnaround';

/** What the hardware has of an `EchoPeer`. */
export interface EchoHardware extends HardwareState, TurnaroundHardware {
  version: 2;
}

/** What an echo does. */
export interface EchoOptions {
  /** Cycles from the arrival of a frame to its sending back. */
  turnaround: Cycles;
  /** Whether the two addresses are swapped, so that the frame goes to its sender. */
  swap: boolean;
  /** Six bytes: only frames to this address and to groups are answered, and from it. Absent: all are, from where they went. */
  mac?: Uint8Array | undefined;
}

/** Sends frames back after a turn-around time. */
export class EchoPeer implements FrameReceiver, EventTarget, Migratable<EchoHardware, TurnaroundRun> {
  private readonly turnaround: Turnaround;

  /** Stands at `end`. */
  constructor(
    readonly eventTargetId: string,
    end: LinkEnd,
    scheduler: Scheduler,
    private readonly options: EchoOptions,
  ) {
    this.turnaround = new Turnaround(this, end, scheduler, options.turnaround);
    end.attach(this);
  }

  canReceive(): boolean {
    return true;
  }

  receive(frame: Uint8Array): void {
    const { swap, mac } = this.options;
    if (mac) {
      const destination = addressAt(frame, 0);
      if (destination !== addressAt(mac, 0) && !isGroup(destination)) return;
    }
    const back = frame.slice();
    if (swap) {
      back.copyWithin(0, 6, 12);
      back.set(mac ?? frame.subarray(0, 6), 6);
    }
    this.turnaround.answer(back);
  }

  onEvent(): void {
    this.turnaround.sendNext();
  }

  save(): Checkpoint<EchoHardware, TurnaroundRun> {
    const { hardware, run } = this.turnaround.save();
    return { hardware: { version: 2, ...hardware }, run };
  }

  load({ hardware, run }: Checkpoint<EchoHardware, TurnaroundRun>): void {
    requireVersion('an echo peer', hardware.version, 2);
    this.turnaround.load(hardware, run);
  }

  adopt(hardware: EchoHardware): void {
    requireVersion('an echo peer', hardware.version, 2);
    this.turnaround.adopt(hardware);
  }
}
