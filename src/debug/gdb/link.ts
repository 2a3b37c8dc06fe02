/** The line to GDB: frames in and out, acknowledged until both sides do without (GDB manual, E.1 and E.11). */
import { ACKNOWLEDGED, frameOf, FrameReader, SEND_AGAIN, type Frame } from './packet';

/** Both ends of a line. */
export interface LinkEnds {
  /** Bytes for GDB. */
  write(bytes: Uint8Array): void;
  /** A packet from GDB. */
  packet(payload: string): void;
  /** GDB's user wants the run to stop. */
  interrupt(): void;
}

export class GdbLink {
  private readonly reader = new FrameReader();
  private acknowledges = true;
  private last: Uint8Array | undefined;

  constructor(private readonly ends: LinkEnds) {}

  /** Bytes from GDB. */
  receive(bytes: Uint8Array): void {
    for (const frame of this.reader.feed(bytes)) this.take(frame);
  }

  /** A packet for GDB. */
  send(payload: string): void {
    this.last = frameOf(payload);
    this.ends.write(this.last);
  }

  private take(frame: Frame): void {
    switch (frame.kind) {
      case 'packet':
        if (this.acknowledges) this.ends.write(ACKNOWLEDGED);
        if (frame.payload === 'QStartNoAckMode') this.stopAcknowledging();
        else this.ends.packet(frame.payload);
        break;
      case 'damaged':
        if (this.acknowledges) this.ends.write(SEND_AGAIN);
        break;
      case 'resend':
        if (this.acknowledges && this.last) this.ends.write(this.last);
        break;
      case 'interrupt':
        this.ends.interrupt();
        break;
      case 'acknowledged':
        break;
    }
  }

  private stopAcknowledging(): void {
    this.send('OK');
    this.acknowledges = false;
  }
}
