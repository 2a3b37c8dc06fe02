/** The common configuration structure of a virtio device on PCI (4.1.4.3). */
import type { AccessSize } from '../../../bus';
import type { VirtioDevice } from '../device';
import type { QueueSlot } from '../queue-slot';
import { AddressWord } from '../queue-slot';
import type { Register } from '../register-block';
import type { Outcome } from '../status';
import type { PciInterrupts } from './interrupts';
import { Common } from './layout';

/** What the driver has selected: words of features, and a queue, which the legacy interface shares. */
export interface Selection {
  deviceFeature: number;
  driverFeature: number;
  queue: number;
}

/** As after a reset. */
export const NOTHING_SELECTED: Selection = { deviceFeature: 0, driverFeature: 0, queue: 0 };

const NAME_BY_OFFSET = new Map<number, string>(Object.entries(Common).map(([name, at]) => [at, name]));

/** The vector of the selected queue, which both interfaces have. */
export function queueVector(
  device: VirtioDevice,
  interrupts: PciInterrupts,
  selected: Selection,
): { read: () => number; write: (value: number) => Outcome } {
  return {
    read: () => interrupts.vectorOf(selected.queue),
    write: (value) => {
      if (selected.queue >= device.queues.length) return 'ignored';
      interrupts.mapQueue(selected.queue, value);
      return 'done';
    },
  };
}

/** Its registers. */
export function commonRegisters(
  device: VirtioDevice,
  interrupts: PciInterrupts,
  selected: Selection,
): Register[] {
  const field = (
    at: number,
    size: AccessSize,
    read: () => number,
    write?: (value: number) => Outcome,
  ): Register => ({ at, size, name: NAME_BY_OFFSET.get(at) ?? '', read, ...(write && { write }) });
  const slot = (): QueueSlot | undefined => device.queues[selected.queue];
  const select =
    (key: keyof Selection) =>
    (value: number): Outcome => {
      selected[key] = value;
      return 'done';
    };
  const address = (at: number, word: number): Register[] =>
    [0, 1].map((half) => ({
      at: at + 4 * half,
      size: 4,
      name: `${NAME_BY_OFFSET.get(at) ?? ''}${half === 0 ? '' : '_HIGH'}`,
      read: () => slot()?.words[word + half] ?? 0,
      write: (value) => device.setQueueAddress(selected.queue, word + half, value),
    }));
  const vector = queueVector(device, interrupts, selected);
  /** Only 1 means something: a driver disables and ends a reset in no such way (4.1.4.3.2). */
  const once =
    (what: (queue: number) => Outcome) =>
    (value: number): Outcome =>
      value === 1 ? what(selected.queue) : 'misused';
  const nothing = (): number => 0;
  return [
    field(Common.DEVICE_FEATURE_SELECT, 4, () => selected.deviceFeature, select('deviceFeature')),
    field(Common.DEVICE_FEATURE, 4, () => device.offered(selected.deviceFeature)),
    field(Common.DRIVER_FEATURE_SELECT, 4, () => selected.driverFeature, select('driverFeature')),
    field(
      Common.DRIVER_FEATURE,
      4,
      () => device.accepted(selected.driverFeature),
      (value) => device.accept(selected.driverFeature, value),
    ),
    field(
      Common.CONFIG_MSIX_VECTOR,
      2,
      () => interrupts.configuration,
      (value) => {
        interrupts.mapConfiguration(value);
        return 'done';
      },
    ),
    field(Common.NUM_QUEUES, 2, () => device.queues.length),
    field(
      Common.DEVICE_STATUS,
      1,
      () => device.status,
      (value) => device.writeStatus(value),
    ),
    field(Common.CONFIG_GENERATION, 1, () => device.configuration.generation),
    field(Common.QUEUE_SELECT, 2, () => selected.queue, select('queue')),
    field(
      Common.QUEUE_SIZE,
      2,
      () => slot()?.size ?? 0,
      (value) => device.setQueueSize(selected.queue, value),
    ),
    field(Common.QUEUE_MSIX_VECTOR, 2, vector.read, vector.write),
    field(
      Common.QUEUE_ENABLE,
      2,
      () => Number(slot()?.enabled ?? false),
      once((queue) => device.enableQueue(queue)),
    ),
    field(Common.QUEUE_NOTIFY_OFF, 2, () => (slot() ? selected.queue : 0)),
    ...address(Common.QUEUE_DESC, AddressWord.descriptors),
    ...address(Common.QUEUE_DRIVER, AddressWord.driver),
    ...address(Common.QUEUE_DEVICE, AddressWord.device),
    field(Common.QUEUE_NOTIF_CONFIG_DATA, 2, nothing),
    field(
      Common.QUEUE_RESET,
      2,
      () => Number(device.queueResetting(selected.queue)),
      once((queue) => device.resetQueue(queue)),
    ),
    // No administration virtqueue is offered.
    field(Common.ADMIN_QUEUE_INDEX, 2, nothing),
    field(Common.ADMIN_QUEUE_NUM, 2, nothing),
  ];
}
