/**
 * The doorbells of one device as ioeventfds: a write there wakes the thread that works on the device's queues, QEMU's main loop
 * or a vhost worker, and the guest goes on. Several writes before the thread has come to it are one.
 */
import type { QueuedDevice } from '../../machine/queued-device';
import type { Units } from '../units';
import { EventFd } from '../threads/eventfd';
import type { JobTarget, Worker } from '../threads/worker';
import type { Ioeventfds } from './ioeventfds';

/** Those of one device. */
export class Doorbells implements JobTarget {
  readonly jobTargetId: string;
  private readonly eventfds = new Map<number, EventFd>();

  /**
   * @param id unique in the run: `vm0/virtio-net/doorbells`
   * @param device does the work, in the thread
   * @throws RangeError when its doorbells have data (virtio's NOTIFICATION_DATA, 2.9): an eventfd counts signals and has no place
   *   for what was written. QEMU makes no such device with ioeventfds, and vhost of Linux does not offer the feature
   */
  constructor(
    id: string,
    private readonly thread: Worker,
    private readonly device: Pick<QueuedDevice, 'doorbells' | 'doorbellsHaveData' | 'kicked'>,
    private readonly units: Units,
  ) {
    if (device.doorbellsHaveData) {
      throw new RangeError(
        `${id}: what the driver writes is lost in an ioeventfd; leave NOTIFICATION_DATA or ioeventfd out`,
      );
    }
    this.jobTargetId = id;
    thread.register(this);
  }

  /** Registers the device's doorbells with KVM. */
  register(ioeventfds: Ioeventfds): void {
    for (const { block, offset, bytes, queue, shared } of this.device.doorbells) {
      // Where several queues share the register, the queue is the value (virtio, 4.1.4.9 and 4.2.2).
      const place = shared
        ? ({ block, offset, length: bytes, match: BigInt(queue) } as const)
        : ({ block, offset, length: 0 } as const);
      ioeventfds.add(place, this.eventfdOf(queue));
    }
  }

  onJob(_kind: number, queue: number): void {
    if (this.eventfdOf(queue).take() > 0) this.device.kicked(queue);
  }

  private eventfdOf(queue: number): EventFd {
    const known = this.eventfds.get(queue);
    if (known) return known;
    const eventfd = new EventFd(() => this.thread.post(this, 0, queue));
    this.eventfds.set(queue, eventfd);
    this.units.keep(`${this.jobTargetId}/${queue}`, eventfd);
    return eventfd;
  }
}
