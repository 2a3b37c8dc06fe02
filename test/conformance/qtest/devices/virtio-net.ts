/**
 * Two network devices of virtio on PCI, on one cable: negotiation, configuration, frames in both directions with chains of all
 * layouts and merged receive buffers, commands by the control queue, receive filters, and rules that a driver breaks. Neither
 * leaves checksums or segmentation to the other side: QEMU's offers them only where a tap device does the work.
 */
import { NetFeature, requiredFeatures } from '../../../../src/machine/devices/virtio/net/constants';
import type { DeviceSpec } from '../../../../src/machine/platform/device-models';
import type { Allowance, Judge, QtestDevice } from '../device';
import { FIRST_SLOT, turnOn } from '../pci';
import type { Random } from '../random';
import type { Operation, Step } from '../script';
import { QUEUE_BYTES } from './virtio/driver';
import { FunctionFollower, sharedLine, usedDescriptors, virtioDifferences } from './virtio/follow';
import { AREA, BARS, HEADER, MACS, NICS, RECEIVE_BASE, RINGS, Session } from './virtio/net-session';
import { misuseAvoided } from './virtio/misuse';
import { disorder, DisorderFollower, disorderDifferences } from './virtio/disorder';
import { VirtioRegisters } from './virtio/driver';

const LINE = 1 << 11;
const DISORDER = 10;
const SIZES = [256, 256, 64];
/** Places of a header's count of buffers. */
const COUNT = [HEADER - 2, HEADER - 1];
const RECEIVE_QUEUE = 0;

const accepts = (has: (feature: number) => boolean): boolean =>
  requiredFeatures.every(([feature, ...oneOf]) => !has(feature) || oneOf.some(has));

class Follower {
  private readonly functions = BARS.map((bar) => new FunctionFollower({ bar, line: LINE }));
  private readonly orders = BARS.map((bar) => new DisorderFollower(bar, SIZES, accepts));

  follow(step: Step): Allowance[] {
    const { operation, qemu, trapline } = step;
    const found = this.functions.flatMap((each) => each.follow(step));
    found.push(...this.orders.flatMap((each) => each.follow(step)));
    found.push(...sharedLine(this.functions, LINE, step));
    if (operation.op === 'load') found.push(...this.loaded(operation.at, qemu.value, trapline.value));
    return found;
  }

  private loaded(at: number, qemu: unknown, trapline: unknown): Allowance[] {
    const nic = NICS.find((each) => at >= RINGS + each * AREA && at < RINGS + (each + 1) * AREA);
    if (nic === undefined) return [];
    const within = at - RINGS - nic * AREA;
    const queue = Math.floor(within / QUEUE_BYTES);
    if (queue > 2) {
      const header = within >= RECEIVE_BASE && within % 0x1000 === 0;
      const merges = this.functions[nic].has(NetFeature.MRG_RXBUF);
      return header && !merges ? [{ difference: 'count of buffers', bytes: COUNT }] : [];
    }
    if (within % QUEUE_BYTES === 0) return usedDescriptors(qemu, trapline);
    return queue === RECEIVE_QUEUE ? [{ difference: 'suppression', bytes: [0] }] : [];
  }
}

function judge(): Judge {
  const follower = new Follower();
  return (step) => follower.follow(step);
}

function begin(random: Random): () => readonly Operation[] {
  return () =>
    random.oneIn(DISORDER)
      ? disorder(random, new VirtioRegisters(random.pick(BARS)))
      : new Session(random).operations();
}

const models: DeviceSpec[] = NICS.map((nic) => ({
  model: 'virtio-net',
  name: `virtio-net.${nic}`,
  inKernel: false,
  virtio: { interfaces: 'modern' },
  net: {
    mac: Uint8Array.from(Buffer.from(MACS[nic], 'hex')),
    pairs: 1,
    batch: 1,
    offloads: false,
    mergeable: true,
    mtu: 1500,
  },
}));

export const virtioNet: QtestDevice = {
  name: 'virtio-net',
  qemu: NICS.flatMap((nic) => {
    const mac = (MACS[nic].match(/../g) ?? []).join(':');
    const alike =
      'disable-legacy=on,packed=on,ioeventfd=off,host_mtu=1500,guest_announce=off,ctrl_guest_offloads=off,romfile=';
    return [
      '-netdev',
      `hubport,id=net${nic},hubid=0`,
      '-device',
      `virtio-net-pci,netdev=net${nic},mac=${mac},addr=${FIRST_SLOT + nic},${alike}`,
    ];
  }),
  models,
  // QEMU's touches no queue while its machine is stopped.
  timed: true,
  lines: LINE,
  differences: {
    ...virtioDifferences,
    ...disorderDifferences,
    'count of buffers': {
      qemu: 'leaves num_buffers as it finds it where no buffers are merged',
      trapline: 'sets it to 1',
      section: 'virtio 1.3, 5.1.6.4.1',
    },
    suppression: {
      qemu: 'asks for no notification of receive buffers while it has some',
      trapline: 'asks for none from when it takes one for a frame until it finds none',
      section: 'virtio 1.3, 2.7.10 (a hint, which no driver may rely on)',
    },
  },
  avoided: [
    ...misuseAvoided,
    {
      qemu: 'receives tagged frames of all VLANs while it is promiscuous, as it is after a reset',
      trapline: 'receives those of the VLANs that it was told, with VIRTIO_NET_F_CTRL_VLAN',
      section:
        'virtio 1.3, 5.1.6.5.3.1 (should drop others) and 5.1.6.5.1.1 (promiscuous: should receive all)',
    },
    {
      qemu: 'sends frames as short as they are',
      trapline: 'fills them up to what Ethernet demands',
      section: 'IEEE 802.3, 3.2.8 and 4.2.3.3',
    },
    {
      qemu: 'takes commands with more data than they have',
      trapline: 'refuses them',
      section: 'virtio 1.3, 5.1.6.5 (each command has its data)',
    },
    {
      qemu: 'has one table of 64 addresses, of which multicast ones get what unicast ones leave',
      trapline: 'has one of 64 for each',
      section: 'virtio 1.3, 5.1.6.5.2 (a device may have any limit, and receives more then)',
    },
  ],
  prologue: NICS.flatMap((nic) => turnOn(FIRST_SLOT + nic, { 4: BARS[nic] })),
  begin,
  judge,
};
