/** Devices as they are fuzzed, by model: each in the variants that differ most. A model without a row here does not compile. */
import type { DeviceModel, DeviceSpec } from '../../../src/machine/platform/device-models';
import type { VirtioOptions } from '../../../src/machine/devices/virtio/options';

const MAC = Uint8Array.of(0x52, 0x54, 0, 0x12, 0x34, 0x56);
const everything: Partial<VirtioOptions> = { inOrder: true, notificationData: true, accessPlatform: true };
const transitional: Partial<VirtioOptions> = { interfaces: 'transitional' };
const net = { mac: MAC, pairs: 2, batch: 4, offloads: true, mergeable: true, mtu: 1500 };
const time = { readNanoseconds: 1000, writeNanoseconds: 1000, flushNanoseconds: 1000 };
const disk = { size: 2 ** 18, blockSize: 512, queues: 1, readOnly: false, timing: time } as const;
const console = { channels: ['org.trapline.echo'], columns: 80, rows: 25 };

export const SPECS: { readonly [M in DeviceModel]: readonly Omit<DeviceSpec<M>, 'model' | 'name'>[] } = {
  e1000: [{ mac: MAC, coalesced: false }],
  edu: [{ scratch: 'page' }, { scratch: 'beside' }, { scratch: undefined }],
  ixgbe: [
    { mac: MAC, vfs: 0 },
    { mac: MAC, vfs: 3 },
  ],
  nvme: [
    { size: 2 ** 18, blockSize: 512, queues: 4 },
    { size: 2 ** 20, blockSize: 4096, queues: 64 },
  ],
  'virtio-net': [
    { virtio: {}, net, inKernel: false },
    { virtio: everything, net: { ...net, pairs: 1, batch: 1 }, inKernel: false },
    { virtio: {}, net, inKernel: true },
    { virtio: transitional, net: { ...net, mergeable: false }, inKernel: false },
  ],
  'virtio-blk': [
    { virtio: {}, blk: disk },
    { virtio: everything, blk: { ...disk, queues: 2 } },
    { virtio: transitional, blk: disk },
  ],
  'virtio-console': [
    { virtio: {}, console },
    { virtio: everything, console },
    { virtio: transitional, console: { ...console, channels: [] } },
  ],
  'virtio-rng': [
    { virtio: {}, seed: 1 },
    { virtio: everything, seed: 2 },
    { virtio: transitional, seed: 3 },
  ],
};

/** All variants of a model. */
export function specsOf<M extends DeviceModel>(model: M): DeviceSpec[] {
  return SPECS[model].map((spec) => ({ ...spec, model, name: model }) as DeviceSpec);
}
