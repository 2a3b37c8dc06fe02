/** Notifications by the driver on PCI (4.1.4.4, 4.1.5.2): an address for each queue. */
import type { AccessSize, RegisterBlock } from '../../../bus';
import type { VirtioDevice } from '../device';
import { Feature } from '../features';
import { report } from '../register-block';
import type { Outcome } from '../status';
import { NOTIFY_MULTIPLIER } from './layout';

const QUEUE_BITS = 0xffff;

/** The notification structure. It is written only. */
export class NotifyBlock implements RegisterBlock {
  constructor(
    private readonly device: VirtioDevice,
    private readonly traceOffset: number,
  ) {}

  read(offset: number): number {
    this.report('ignored', offset, 0);
    return 0;
  }

  /** The address tells the queue; what is written names it again, in the low half with NOTIFICATION_DATA (4.1.5.2.1). */
  write(offset: number, size: AccessSize, value: number): void {
    const { device } = this;
    const queue = offset / NOTIFY_MULTIPLIER;
    const expected = device.has(Feature.NOTIFICATION_DATA) ? 4 : 2;
    if (!Number.isInteger(queue) || size !== expected) this.report('ignored', offset, value);
    else {
      if ((value & QUEUE_BITS) !== queue) this.report('misused', offset, value);
      this.report(device.kicked(queue, value), offset, value);
    }
  }

  registerName(offset: number): string | undefined {
    const queue = offset / NOTIFY_MULTIPLIER;
    return queue in this.device.queues ? `QUEUE_NOTIFY${queue}` : undefined;
  }

  private report(outcome: Outcome, offset: number, value: number): void {
    report(this.device.control.trace, outcome, this.traceOffset + offset, value);
  }
}
