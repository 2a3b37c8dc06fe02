/**
 * The entropy device of virtio on PCI: negotiation, the common configuration, and its queue in both formats with chains, tables of
 * indirect descriptors and notifications by index. What it fills buffers with is random on both sides; all else is compared.
 */
import { Common } from '../../../../src/machine/devices/virtio/pci/layout';
import type { AccessSize } from '../../../../src/machine/bus';
import type { Allowance, Judge, QtestDevice } from '../device';
import { FIRST_SLOT, turnOn } from '../pci';
import type { Random } from '../random';
import type { Operation, Step } from '../script';
import { DriverQueue, ringFeatures, VirtioRegisters, type Buffer } from './virtio/driver';
import { FunctionFollower, sharedLine, usedDescriptors, virtioDifferences } from './virtio/follow';

const BAR = 0xf0000000;
const LINE = 1 << 11;
const RING = 0x200000;
const BUFFERS = 0x210000;
const QUEUE = 8;

/** Fields of the common configuration that both have alike, with their sizes. */
const FIELDS: readonly [number, AccessSize][] = [
  [Common.DEVICE_FEATURE_SELECT, 4],
  [Common.DRIVER_FEATURE_SELECT, 4],
  [Common.DRIVER_FEATURE, 4],
  [Common.CONFIG_MSIX_VECTOR, 2],
  [Common.NUM_QUEUES, 2],
  [Common.DEVICE_STATUS, 1],
  [Common.CONFIG_GENERATION, 1],
  [Common.QUEUE_SELECT, 2],
  [Common.QUEUE_MSIX_VECTOR, 2],
  [Common.QUEUE_ENABLE, 2],
  [Common.QUEUE_NOTIFY_OFF, 2],
  [Common.QUEUE_DESC, 4],
  [Common.QUEUE_DRIVER, 4],
  [Common.QUEUE_DEVICE, 4],
];

/** One life of the driver: from reset to some chains that the device has used. */
class Session {
  private readonly registers = new VirtioRegisters(BAR);
  private readonly queue: DriverQueue;

  constructor(private readonly random: Random) {
    this.queue = new DriverQueue(this.registers, 0, RING, QUEUE, ringFeatures(random));
  }

  operations(): Operation[] {
    const { random, registers, queue } = this;
    const some = (): Operation[] => (random.oneIn(2) ? [registers.read(...random.pick(FIELDS))] : []);
    const rounds = Array.from({ length: random.between(1, 8) }, () => this.round());
    return [
      ...registers.negotiate(queue.features),
      ...some(),
      ...queue.setUp(),
      ...some(),
      ...some(),
      registers.driverOk(),
      ...some(),
      ...rounds.flat(),
    ];
  }

  /** Some chains are made available, the device is told, and what it did is looked at. */
  private round(): Operation[] {
    const { random, queue, registers } = this;
    const script: Operation[] = [];
    for (let n = random.between(1, 3); n > 0 && queue.room > 0; n--) {
      const parts = this.parts(random.between(1, 3), n);
      const direct = queue.direct(random, parts.length);
      const fitting = direct ? parts.slice(0, queue.room) : parts;
      script.push(...queue.add(fitting, direct, random.below(QUEUE)));
    }
    queue.used();
    return [
      ...script,
      ...queue.suppression(random),
      queue.kick(),
      { op: 'rest' },
      queue.looks(),
      ...(random.oneIn(2) ? [registers.isr()] : []),
    ];
  }

  private parts(count: number, chain: number): Buffer[] {
    return Array.from({ length: count }, (_, i) => ({
      address: BUFFERS + chain * 0x4000 + i * 0x1000,
      length: this.random.between(1, 600),
      write: true,
    }));
  }
}

class Follower {
  private readonly device = new FunctionFollower({ bar: BAR, line: LINE });

  follow(step: Step): Allowance[] {
    const { operation, qemu, trapline } = step;
    const found = [...this.device.follow(step), ...sharedLine([this.device], LINE, step)];
    if (operation.op === 'load' && operation.at === RING)
      found.push(...usedDescriptors(qemu.value, trapline.value));
    return found;
  }
}

function judge(): Judge {
  const follower = new Follower();
  return (step) => follower.follow(step);
}

export const virtioRng: QtestDevice = {
  name: 'virtio-rng',
  qemu: [
    '-object',
    'rng-builtin,id=random',
    '-device',
    `virtio-rng-pci,rng=random,addr=${FIRST_SLOT},disable-legacy=on,packed=on,ioeventfd=off`,
  ],
  models: [{ model: 'virtio-rng', name: 'virtio-rng', virtio: { interfaces: 'modern' }, seed: 1 }],
  // QEMU's touches no queue while its machine is stopped.
  timed: true,
  lines: LINE,
  differences: virtioDifferences,
  prologue: turnOn(FIRST_SLOT, { 4: BAR }),
  begin: (random) => () => new Session(random).operations(),
  judge,
};
