/** Rings of a virtio device of any type, split and packed, by both interfaces: chains that are mostly as they ought to be. */
import { Feature } from '../../../../src/machine/devices/virtio/features';
import {
  Bar,
  Common,
  Legacy,
  NOTIFY_MULTIPLIER,
  Structure,
} from '../../../../src/machine/devices/virtio/pci/layout';
import type { Guest } from '../guest';
import type { HostileDriver } from './driver';

const RINGS = 0x10000;
/** Between the rings of two queues: legacy ones are computed from one page. */
const RING_BYTES = 0x4000;
const TABLES = 0x60000;
const BUFFERS = 0x70000;
const DESCRIPTOR = 16;
const MOST_QUEUES = 8;
const Status = { acknowledge: 1, driver: 2, driverOk: 4, featuresOk: 8, needsReset: 0x40 } as const;
const Flag = { next: 1, write: 2, indirect: 4, avail: 0x80, used: 0x8000 } as const;

/** A queue as its driver has it. */
interface Ring {
  size: number;
  descriptors: number;
  driver: number;
  device: number;
  /** Next descriptor to be filled in, and the index or lap. */
  next: number;
  index: number;
  wrap: boolean;
  /** What its buffers are for: the device writes them all, reads them all, or both. */
  use: 'in' | 'out' | 'both';
}

export function hostileVirtio(guest: Guest): HostileDriver {
  const { dice } = guest;
  let rings: Ring[] = [];
  let features = 0n;
  let legacy = false;
  const has = (bit: number): boolean => (features & (1n << BigInt(bit))) !== 0n;

  const ringOf = (queue: number, size: number): Ring => {
    const descriptors = RINGS + RING_BYTES * queue;
    const driver = descriptors + DESCRIPTOR * size;
    // The used ring is on a page of its own, as legacy has it.
    const device = Math.ceil((driver + 6 + 2 * size) / 4096) * 4096;
    guest.board.ram.fill(0, descriptors, descriptors + RING_BYTES);
    // Most types have pairs of queues, the first of each for what comes in.
    const use = dice.pick([queue % 2 === 0 ? 'in' : 'out', 'both'] as const);
    return { size, descriptors, driver, device, next: 0, index: 0, wrap: true, use };
  };
  const set = (at: number, value: number, size: 1 | 2 | 4): void =>
    guest.set(Bar.modern, Structure.common + at, value, size);
  const get = (at: number, size: 1 | 2 | 4): number => guest.get(Bar.modern, Structure.common + at, size);

  const establishModern = (): void => {
    set(Common.DEVICE_STATUS, 0, 1);
    guest.board.pass(100);
    set(Common.DEVICE_STATUS, Status.acknowledge | Status.driver, 1);
    features = 0n;
    for (const word of [0, 1]) {
      set(Common.DEVICE_FEATURE_SELECT, word, 4);
      const offered = get(Common.DEVICE_FEATURE, 4);
      const chosen = dice.pick([offered, offered, (offered & dice.word()) >>> 0]);
      features |= BigInt(word === 1 && !dice.oneIn(20) ? (chosen | 1) >>> 0 : chosen) << BigInt(32 * word);
      set(Common.DRIVER_FEATURE_SELECT, word, 4);
      set(Common.DRIVER_FEATURE, Number((features >> BigInt(32 * word)) & 0xffffffffn), 4);
    }
    set(Common.DEVICE_STATUS, Status.acknowledge | Status.driver | Status.featuresOk, 1);
    const queues = Math.min(MOST_QUEUES, get(Common.NUM_QUEUES, 2));
    rings = Array.from({ length: queues }, (_, queue) => {
      const ring = ringOf(queue, dice.pick([4, 8, 16, 64]));
      set(Common.QUEUE_SELECT, queue, 2);
      set(Common.QUEUE_SIZE, ring.size, 2);
      set(Common.QUEUE_MSIX_VECTOR, dice.pick([0, queue, 0xffff]), 2);
      for (const [at, address] of [
        [Common.QUEUE_DESC, ring.descriptors],
        [Common.QUEUE_DRIVER, ring.driver],
        [Common.QUEUE_DEVICE, ring.device],
      ]) {
        set(at, address, 4);
        set(at + 4, 0, 4);
      }
      set(Common.QUEUE_ENABLE, 1, 2);
      return ring;
    });
    set(Common.DEVICE_STATUS, Status.acknowledge | Status.driver | Status.featuresOk | Status.driverOk, 1);
  };

  const establishLegacy = (): void => {
    guest.set(Bar.legacy, Legacy.DEVICE_STATUS, 0, 1);
    guest.board.pass(100);
    guest.set(Bar.legacy, Legacy.DEVICE_STATUS, Status.acknowledge | Status.driver, 1);
    const offered = guest.get(Bar.legacy, Legacy.DEVICE_FEATURES);
    features = BigInt(dice.pick([offered, (offered & dice.word()) >>> 0]));
    guest.set(Bar.legacy, Legacy.GUEST_FEATURES, Number(features));
    rings = [];
    for (let queue = 0; queue < MOST_QUEUES; queue++) {
      guest.set(Bar.legacy, Legacy.QUEUE_SELECT, queue, 2);
      const size = guest.get(Bar.legacy, Legacy.QUEUE_SIZE, 2);
      if (size === 0 || size > 256) break;
      const ring = ringOf(queue, size);
      rings.push(ring);
      guest.set(Bar.legacy, Legacy.QUEUE_PFN, ring.descriptors / 4096);
    }
    guest.set(Bar.legacy, Legacy.DEVICE_STATUS, Status.acknowledge | Status.driver | Status.driverOk, 1);
  };

  const buffer = (): number =>
    dice.oneIn(15) ? guest.pointer() : BUFFERS + 2048 * dice.below(64) + dice.below(4);
  const length = (): number =>
    dice.oneIn(40)
      ? guest.value()
      : dice.pick([1, 8, 12, 16, 16, 64, 64, 512, 512, 1526, 1526, 4096, dice.below(2048)]);
  const put = (at: number, flags: number, last: number, size = length()): void => {
    guest.putPointer(at, buffer());
    guest.view.setUint32(at + 8, size, true);
    guest.view.setUint16(at + 12, has(Feature.RING_PACKED) ? last : flags, true);
    guest.view.setUint16(at + 14, has(Feature.RING_PACKED) ? flags : last, true);
  };
  /** Flags of the elements of a buffer: what the device reads stands first. */
  const shape = ({ use }: Ring): number[] => {
    const count = dice.pick([1, 1, 2, 2, 3, 3, 4]);
    const readable = use === 'both' ? dice.below(count + 1) : use === 'in' ? 0 : count;
    return Array.from({ length: count }, (_, i) =>
      dice.oneIn(60) ? dice.below(16) : i < readable ? 0 : Flag.write,
    );
  };

  /** A table of descriptors in memory; returns its entries. */
  const table = (ring: Ring, at: number): number => {
    const elements = shape(ring);
    elements.forEach((flags, i) => {
      const more = i < elements.length - 1;
      const chained = more && !has(Feature.RING_PACKED) ? Flag.next : 0;
      put(at + DESCRIPTOR * i, flags | chained, has(Feature.RING_PACKED) ? 0 : i + 1);
    });
    return elements.length;
  };

  const addSplit = (ring: Ring): void => {
    const { view } = guest;
    const head = ring.next;
    const place = (): number => ring.descriptors + DESCRIPTOR * ring.next;
    const advance = (): void => void (ring.next = (ring.next + 1) % ring.size);
    if (has(Feature.INDIRECT_DESC) && dice.oneIn(3)) {
      const at = TABLES + 256 * dice.below(64);
      const entries = table(ring, at);
      put(place(), Flag.indirect, 0, DESCRIPTOR * entries + (dice.oneIn(40) ? 1 : 0));
      guest.view.setUint32(place(), at, true);
      guest.view.setUint32(place() + 4, 0, true);
      advance();
    } else {
      const elements = shape(ring);
      elements.forEach((flags, i) => {
        const more = i < elements.length - 1;
        const next = dice.oneIn(60) ? dice.below(2 * ring.size) : (ring.next + 1) % ring.size;
        put(place(), flags | (more ? Flag.next : 0), next);
        advance();
      });
    }
    view.setUint16(
      ring.driver + 4 + 2 * (ring.index % ring.size),
      dice.oneIn(80) ? dice.below(256) : head,
      true,
    );
    ring.index = (ring.index + 1) & 0xffff;
  };
  const publishSplit = (ring: Ring): void => {
    guest.view.setUint16(ring.driver, dice.pick([0, 0, 1]), true);
    guest.view.setUint16(ring.driver + 2, dice.oneIn(60) ? guest.value(2) : ring.index, true);
    // The index from which on the driver wants to be notified.
    guest.view.setUint16(
      ring.driver + 4 + 2 * ring.size,
      dice.pick([ring.index, dice.word() & 0xffff]),
      true,
    );
  };

  const addPacked = (ring: Ring): void => {
    const id = dice.oneIn(80) ? dice.below(65536) : ring.next;
    const marks = (): number => (ring.wrap ? Flag.avail : Flag.used);
    const place = (): number => ring.descriptors + DESCRIPTOR * ring.next;
    const advance = (): void => {
      ring.next += 1;
      if (ring.next < ring.size) return;
      ring.next = 0;
      ring.wrap = !ring.wrap;
    };
    if (has(Feature.INDIRECT_DESC) && dice.oneIn(3)) {
      const at = TABLES + 256 * dice.below(64);
      const entries = table(ring, at);
      put(place(), Flag.indirect | marks(), id, DESCRIPTOR * entries + (dice.oneIn(40) ? 1 : 0));
      guest.view.setUint32(place(), at, true);
      guest.view.setUint32(place() + 4, 0, true);
      advance();
      return;
    }
    const elements = shape(ring);
    elements.forEach((flags, i) => {
      put(place(), flags | marks() | (i < elements.length - 1 ? Flag.next : 0), id);
      advance();
    });
  };

  const kick = (queue: number, ring: Ring): void => {
    const told = has(Feature.RING_PACKED) ? ring.next | (ring.wrap ? 0x8000 : 0) : ring.index;
    if (legacy) guest.set(Bar.legacy, Legacy.QUEUE_NOTIFY, queue, 2);
    else if (has(Feature.NOTIFICATION_DATA))
      guest.set(Bar.modern, Structure.notify + NOTIFY_MULTIPLIER * queue, ((told << 16) | queue) >>> 0, 4);
    else guest.set(Bar.modern, Structure.notify + NOTIFY_MULTIPLIER * queue, queue, 2);
  };

  return {
    establish: () => {
      legacy = guest.fn.bars.some(({ index }) => index === Bar.legacy) && dice.oneIn(2);
      if (legacy) establishLegacy();
      else establishModern();
    },
    ready: () => {
      const status = legacy ? guest.get(Bar.legacy, Legacy.DEVICE_STATUS, 1) : get(Common.DEVICE_STATUS, 1);
      return (status & (Status.driverOk | Status.needsReset)) === Status.driverOk;
    },
    step: () => {
      if (rings.length === 0) return;
      const queue = dice.below(rings.length);
      const ring = rings[queue];
      const count = 1 + dice.below(3);
      if (dice.oneIn(3)) guest.scribble(BUFFERS + 2048 * dice.below(64), 24);
      for (let i = 0; i < count; i++) (has(Feature.RING_PACKED) ? addPacked : addSplit)(ring);
      if (!has(Feature.RING_PACKED)) publishSplit(ring);
      else guest.view.setUint32(ring.driver, dice.pick([0, 1, 2, dice.word()]), true);
      if (!dice.oneIn(5)) kick(queue, ring);
    },
  };
}
