/** A peer that swallows what it gets. */
import {
  requireVersion,
  type Checkpoint,
  type HardwareState,
  type Migratable,
  type RunState,
} from '../../snapshot';
import type { LinkEnd } from '../link';
import type { FrameReceiver } from '../wire';

/** What the hardware has of a `SinkPeer`; the run has nothing of it. */
export interface SinkHardware extends HardwareState {
  version: 1;
  frames: number;
  bytes: number;
}

/** Swallows and counts. */
export class SinkPeer implements FrameReceiver, Migratable<SinkHardware> {
  frames = 0;
  bytes = 0;

  constructor(end: LinkEnd) {
    end.attach(this);
  }

  canReceive(): boolean {
    return true;
  }

  receive(frame: Uint8Array): void {
    this.frames += 1;
    this.bytes += frame.length;
  }

  save(): Checkpoint<SinkHardware, RunState> {
    return { hardware: { version: 1, frames: this.frames, bytes: this.bytes }, run: {} };
  }

  load({ hardware }: Checkpoint<SinkHardware, RunState>): void {
    this.adopt(hardware);
  }

  adopt(hardware: SinkHardware): void {
    requireVersion('a sink peer', hardware.version, 1);
    this.frames = hardware.frames;
    this.bytes = hardware.bytes;
  }
}
