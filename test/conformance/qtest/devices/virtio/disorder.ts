/** Registers out of turn: steps of the negotiation left out or taken back, features that are not offered, sizes that cannot be. */
import type { AccessSize } from '../../../../../src/machine/bus';
import { Feature } from '../../../../../src/machine/devices/virtio/features';
import { Common } from '../../../../../src/machine/devices/virtio/pci/layout';
import type { Allowance, Difference } from '../../device';
import type { Random } from '../../random';
import type { Operation, Step } from '../../script';
import { Status, type VirtioRegisters } from './driver';

/** What they may show. */
export const disorderDifferences = {
  order: {
    qemu: 'has the device status as the driver wrote it, whatever its order and its features',
    trapline:
      'takes no bit back without a reset, none out of turn, and no FEATURES_OK with features that it cannot work with',
    section: 'virtio 1.3, 2.1.1, 2.2.2 and 3.1.1',
  },
  'late features': {
    qemu: 'shows features that were written after FEATURES_OK, though it does not take them',
    trapline: 'shows those that it works with',
    section: 'virtio 1.3, 3.1.1 (the features are settled at FEATURES_OK)',
  },
  sizes: {
    qemu: 'takes any size up to 1024',
    trapline: 'takes a power of 2, any size with the packed ring, and at most that which it said',
    section: 'virtio 1.3, 2.7 and 4.1.4.3.2',
  },
  selectors: {
    qemu: 'keeps by a reset which word of the features is selected',
    trapline: 'selects word 0',
    section: 'virtio 1.3, 4.1.4.3.1 (says it of no selector: a driver selects before it reads)',
  },
  'no such queue': {
    qemu: 'keeps what is written for queues that it does not have',
    trapline: 'has nothing there: addresses read as 0, and the vector as VIRTIO_MSI_NO_VECTOR',
    section:
      'virtio 1.3, 4.1.4.3 (a queue that is not available has size 0, and no other of its fields means something)',
  },
  'largest sizes': {
    qemu: 'has queues of its own sizes',
    trapline: 'has queues of its own sizes',
    section: 'virtio 1.3, 4.1.4.3 (the device says how large its queues may be)',
  },
  widths: {
    qemu: 'answers a read of another width from the beginning of the field',
    trapline: 'answers it with 0, as nothing there has that width',
    section: 'virtio 1.3, 4.1.3.1 (the driver has to use the width of the field)',
  },
} satisfies Record<string, Difference>;

const STEPS = [Status.acknowledge, Status.driver, Status.featuresOk, Status.driverOk];
const NATURAL = new Map<number, AccessSize>([
  [Common.DEVICE_FEATURE_SELECT, 4],
  [Common.DEVICE_FEATURE, 4],
  [Common.DRIVER_FEATURE_SELECT, 4],
  [Common.DRIVER_FEATURE, 4],
  [Common.CONFIG_MSIX_VECTOR, 2],
  [Common.NUM_QUEUES, 2],
  [Common.DEVICE_STATUS, 1],
  [Common.CONFIG_GENERATION, 1],
  [Common.QUEUE_SELECT, 2],
  [Common.QUEUE_SIZE, 2],
  [Common.QUEUE_MSIX_VECTOR, 2],
  [Common.QUEUE_ENABLE, 2],
  [Common.QUEUE_NOTIFY_OFF, 2],
  [Common.QUEUE_DESC, 4],
  [Common.QUEUE_DRIVER, 4],
  [Common.QUEUE_DEVICE, 4],
]);
/** What is the selected queue's, but for its size. */
const OF_QUEUE: readonly number[] = [
  Common.QUEUE_MSIX_VECTOR,
  Common.QUEUE_ENABLE,
  Common.QUEUE_NOTIFY_OFF,
  Common.QUEUE_DESC,
  Common.QUEUE_DRIVER,
  Common.QUEUE_DEVICE,
];
/** What is read through a selector, and the selectors themselves. */
const SELECTOR = new Map<number, number>([
  [Common.DEVICE_FEATURE_SELECT, Common.DEVICE_FEATURE_SELECT],
  [Common.DEVICE_FEATURE, Common.DEVICE_FEATURE_SELECT],
  [Common.DRIVER_FEATURE_SELECT, Common.DRIVER_FEATURE_SELECT],
  [Common.DRIVER_FEATURE, Common.DRIVER_FEATURE_SELECT],
]);
const VECTORS = 2;

/** Some accesses out of turn, from a reset to a reset. */
export function disorder(random: Random, registers: VirtioRegisters): Operation[] {
  const reset = registers.write(Common.DEVICE_STATUS, 1, 0);
  const offered = [0, 1].flatMap((word) => [
    registers.write(Common.DEVICE_FEATURE_SELECT, 4, word),
    registers.read(Common.DEVICE_FEATURE, 4),
  ]);
  const script: Operation[] = [reset, ...offered];
  for (let n = random.between(3, 20); n > 0; n--) script.push(...access(random, registers));
  return [...script, reset, registers.read(Common.DEVICE_STATUS, 1)];
}

function access(random: Random, registers: VirtioRegisters): Operation[] {
  const both = (field: number, size: AccessSize, value: number): Operation[] => [
    registers.write(field, size, value),
    registers.read(field, size),
  ];
  switch (random.below(10)) {
    case 0:
    case 1:
      return both(
        Common.DEVICE_STATUS,
        1,
        STEPS.reduce((sum, bit) => sum | (random.oneIn(2) ? bit : 0), 0),
      );
    case 2:
      return both(Common.DEVICE_STATUS, 1, random.pick([1, 3, 3, 11, 11, 15]));
    case 3:
      return [
        ...both(Common.DRIVER_FEATURE_SELECT, 4, random.below(2)),
        ...both(Common.DRIVER_FEATURE, 4, random.word()),
      ];
    case 4:
      return [
        ...both(Common.DEVICE_FEATURE_SELECT, 4, random.oneIn(3) ? random.word() : random.below(3)),
        registers.read(Common.DEVICE_FEATURE, 4),
      ];
    case 5:
      return both(Common.QUEUE_SELECT, 2, random.oneIn(4) ? random.below(1024) : random.below(6));
    case 6:
      return both(Common.QUEUE_SIZE, 2, random.oneIn(2) ? 1 << random.below(9) : random.below(0x10000));
    case 7:
      return [
        ...both(random.pick([Common.QUEUE_DESC, Common.QUEUE_DRIVER, Common.QUEUE_DEVICE]), 4, random.word()),
      ];
    case 8:
      return both(
        random.pick([Common.CONFIG_MSIX_VECTOR, Common.QUEUE_MSIX_VECTOR]),
        2,
        random.oneIn(2) ? random.below(VECTORS) : random.between(4, 0xffff),
      );
    default: {
      const [field] = random.pick([...NATURAL]);
      return [registers.read(field, random.pick([1, 2, 4]))];
    }
  }
}

/** Follows where one function's registers may differ by it. */
export class DisorderFollower {
  /** Status as the driver wrote it last, which is QEMU's. */
  private status = 0;
  /** Bits of it that Trapline has taken since the reset. */
  private taken = 0;
  private readonly offered = [0, 0];
  private readonly words = [0, 0];
  private offeredWord = 0;
  private word = 0;
  private lateFeatures = false;
  private wrongSize = false;
  private queue = 0;
  /** Words of the features have been selected since the reset. */
  private readonly selected = new Set<number>();
  /** Queues that have been given a size since then. */
  private readonly sized = new Set<number>();

  /**
   * @param sizes the largest of each queue
   * @param accepts whether the type can work with a set of its features */
  constructor(
    private readonly bar: number,
    private readonly sizes: readonly number[],
    private readonly accepts: (has: (feature: number) => boolean) => boolean = () => true,
    private readonly ownSizes = false,
  ) {}

  follow({ operation, trapline }: Step): Allowance[] {
    if (operation.op !== 'read' && operation.op !== 'write') return [];
    const field = operation.at - this.bar;
    const natural = NATURAL.get(field);
    if (natural === undefined) return [];
    if (operation.op === 'write') {
      this.written(field, operation.value);
      return [];
    }
    if (operation.size !== natural) return [{ difference: 'widths', value: 'any' }];
    const selector = SELECTOR.get(field);
    if (selector !== undefined && !this.selected.has(selector))
      return [{ difference: 'selectors', value: 'any' }];
    if (field === Common.DEVICE_FEATURE && this.offeredWord < 2)
      this.offered[this.offeredWord] = Number(trapline.value);
    if (field === Common.DEVICE_STATUS) return [{ difference: 'order', value: this.status ^ this.taken }];
    if (field === Common.DRIVER_FEATURE && this.lateFeatures)
      return [{ difference: 'late features', value: 'any' }];
    if (this.queue >= this.sizes.length && OF_QUEUE.includes(field))
      return [{ difference: 'no such queue', value: 'any' }];
    if (field === Common.QUEUE_SIZE && this.ownSizes && !this.sized.has(this.queue))
      return [{ difference: 'largest sizes', value: 'any' }];
    return field === Common.QUEUE_SIZE && this.wrongSize ? [{ difference: 'sizes', value: 0xffff }] : [];
  }

  private written(field: number, value: number): void {
    this.selected.add(field);
    switch (field) {
      case Common.DEVICE_STATUS:
        this.statusWritten(value);
        break;
      case Common.DEVICE_FEATURE_SELECT:
        this.offeredWord = value;
        break;
      case Common.DRIVER_FEATURE_SELECT:
        this.word = value;
        break;
      case Common.DRIVER_FEATURE:
        if ((this.taken & Status.featuresOk) !== 0) this.lateFeatures = true;
        else this.words[this.word & 1] = value;
        break;
      case Common.QUEUE_SELECT:
        this.queue = value;
        break;
      case Common.QUEUE_SIZE:
        this.sized.add(this.queue);
        if ((value & (value - 1)) !== 0 || value > (this.sizes[this.queue] ?? 0) || value === 0)
          this.wrongSize = true;
    }
  }

  private statusWritten(value: number): void {
    this.status = value;
    if (value === 0) {
      this.taken = 0;
      this.lateFeatures = this.wrongSize = false;
      this.words.fill(0);
      this.queue = 0;
      this.selected.clear();
      this.sized.clear();
      return;
    }
    this.taken |= value & (Status.acknowledge | Status.driver);
    if ((this.taken & Status.driver) !== 0 && this.acceptable) this.taken |= value & Status.featuresOk;
    if ((this.taken & Status.featuresOk) !== 0) this.taken |= value & Status.driverOk;
  }

  /**
   * Whether Trapline takes FEATURES_OK with what the driver has written. Without VERSION_1, which a device may refuse (6.2), it
   * works with features of the first word alone.
   */
  private get acceptable(): boolean {
    const { words, offered } = this;
    const has = (feature: number): boolean => ((words[feature >> 5] >>> (feature & 31)) & 1) !== 0;
    const subset = words.every((word, i) => (word & ~offered[i]) === 0);
    return subset && (has(Feature.VERSION_1) || words[1] === 0) && this.accepts(has);
  }
}
