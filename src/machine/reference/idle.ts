/** A bus and a host on which nothing happens: devices stand there only to be asked what their registers are called. */
import type { DeviceBus } from '../bus';
import type { RemappingHost } from '../iommu/remapping-unit';

const nothing = (): void => undefined;
const NO_HANDLE = 0;

/** For a device. */
export const idleBus: DeviceBus = {
  now: () => 0,
  schedule: () => NO_HANDLE,
  cancel: nothing,
  dma: { read: nothing, write: nothing },
  irq: { set: nothing },
  msi: { send: nothing },
  trace: { cause: 0, instant: nothing, span: nothing },
  cyclesPerNanosecond: 1,
};

/** For a remapping unit that remaps no interrupts. */
export const idleRemapping: RemappingHost = {
  clock: { now: () => 0, schedule: () => NO_HANDLE, cancel: nothing },
  memory: { read: () => undefined, write: () => false },
  send: nothing,
  observer: { hit: nothing, walked: nothing, faulted: nothing, invalidated: nothing, waited: nothing },
  deviceTlbs: () => undefined,
  interrupts: undefined,
};
