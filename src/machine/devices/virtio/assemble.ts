/** A whole virtio device on PCI: transport, device, the engine of its queues, and a type. */
import type { DeviceBus } from '../../bus';
import type { TypeHost, VirtioType } from './contract';
import { VirtioDevice } from './device';
import type { VirtioOptions } from './options';
import { VirtioPci } from './pci/virtio-pci';
import { QueueFault } from './queue/faults';
import { createVirtqueue } from './queue/queue';

/** Why a device needs a reset, by number: what its queues find. Types have numbers of their own beyond. */
export const queueFaultNames: Readonly<Record<string, string>> = Object.fromEntries(
  Object.entries(QueueFault).map(([name, why]) => [String(why), name.toLowerCase().replaceAll('_', ' ')]),
);

/**
 * Puts a type on PCI.
 * @param buses of its registers and, where somebody else works on its queues, of these
 * @throws RangeError for a transitional device of a type without a legacy interface
 */
export function virtioOnPci(
  { bus: control, data }: { bus: DeviceBus; data?: DeviceBus | undefined },
  options: Partial<VirtioOptions>,
  type: (host: TypeHost) => VirtioType,
): VirtioPci {
  return new VirtioPci(new VirtioDevice({ control, data, type, queue: createVirtqueue, options }));
}
