/** A whole virtio device: transport, device, the engine of its queues, and a type. */
import type { DeviceBus } from '../../bus';
import type { TypeHost, VirtioType } from './contract';
import { VirtioDevice } from './device';
import { VirtioMmio } from './mmio';
import type { VirtioOptions } from './options';
import { VirtioPci } from './pci/virtio-pci';
import { QueueFault } from './queue/faults';
import { createVirtqueue } from './queue/queue';

/** Why a device needs a reset, by number: what its queues find. Types have numbers of their own beyond. */
export const queueFaultNames: Readonly<Record<string, string>> = Object.fromEntries(
  Object.entries(QueueFault).map(([name, why]) => [String(why), name.toLowerCase().replaceAll('_', ' ')]),
);

/** Where a device is plugged in: the bus of its registers and, where somebody else works on its queues, that of these. */
interface Buses {
  bus: DeviceBus;
  data?: DeviceBus | undefined;
}

/**
 * Puts a type on PCI.
 * @throws RangeError for a transitional device of a type without a legacy interface
 */
export function virtioOnPci(
  { bus: control, data }: Buses,
  options: Partial<VirtioOptions>,
  type: (host: TypeHost) => VirtioType,
): VirtioPci {
  return new VirtioPci(new VirtioDevice({ control, data, type, queue: createVirtqueue, options }));
}

/**
 * Puts a type on MMIO.
 * @throws RangeError for a transitional device: on MMIO one is modern or legacy
 */
export function virtioOnMmio(
  { bus: control, data }: Buses,
  options: Partial<VirtioOptions>,
  type: (host: TypeHost) => VirtioType,
): VirtioMmio {
  return new VirtioMmio(new VirtioDevice({ control, data, type, queue: createVirtqueue, options }));
}
