/**
 * The driver's side of a virtio function on PCI, as scripts have it: its registers, and its queues in both formats with chains, tables
 * of indirect descriptors and notifications by index.
 */
import { Feature } from '../../../../../src/machine/devices/virtio/features';
import { Common, NOTIFY_MULTIPLIER, Structure } from '../../../../../src/machine/devices/virtio/pci/layout';
import type { AccessSize } from '../../../../../src/machine/bus';
import type { Random } from '../../random';
import type { Operation } from '../../script';

/** Bits of the device status. */
export const Status = { acknowledge: 1, driver: 2, driverOk: 4, featuresOk: 8, needsReset: 64 } as const;
export const DESCRIPTOR = 16;
/** Where flags stand in a descriptor of the packed ring. */
export const PACKED_FLAGS_AT = 14;
/** Bits of a descriptor: of both formats, and of the packed one. */
export const Flag = { next: 1, write: 2, indirect: 4, avail: 1 << 7, used: 1 << 15 } as const;
/** Bytes of RAM that a queue has for its three parts and its tables. */
export const QUEUE_BYTES = 0x4000;
const Part = { ring: 0, driver: 0x1000, device: 0x2000, tables: 0x3000 } as const;
const TABLE_BYTES = 0x80;
/** Most descriptors of a table. */
const TABLE_ENTRIES = TABLE_BYTES / DESCRIPTOR;
/** Most slots of a queue, so that all have tables. */
export const MOST_SLOTS = 32;
const NO_VECTOR = 0xffff;

/** What the two agree on about rings. */
export interface RingFeatures {
  packed: boolean;
  indirect: boolean;
  eventIdx: boolean;
}

/** Any of these. */
export function ringFeatures(random: Random): RingFeatures {
  return { packed: random.oneIn(2), indirect: random.oneIn(2), eventIdx: random.oneIn(2) };
}

/** A part of a chain of buffers. */
export interface Buffer {
  address: number;
  length: number;
  /** The device writes it. */
  write: boolean;
}

export function little(value: number, bytes: number): string {
  let text = '';
  for (let i = 0; i < bytes; i++) text += (Math.floor(value / 256 ** i) % 256).toString(16).padStart(2, '0');
  return text;
}

/** A descriptor of the split format. */
export function descriptor(address: number, length: number, flags: number, next: number): string {
  return little(address, 8) + little(length, 4) + little(flags, 2) + little(next, 2);
}

function packedDescriptor(address: number, length: number, identifier: number, flags: number): string {
  return little(address, 8) + little(length, 4) + little(identifier, 2) + little(flags, 2);
}

/** Registers of one function. */
export class VirtioRegisters {
  /** @param bar where its structures are */
  constructor(readonly bar: number) {}

  write(field: number, size: AccessSize, value: number): Operation {
    return { op: 'write', size, at: this.bar + Structure.common + field, value };
  }

  read(field: number, size: AccessSize): Operation {
    return { op: 'read', size, at: this.bar + Structure.common + field };
  }

  /** The type's configuration. */
  configuration(offset: number, size: AccessSize): Operation {
    return { op: 'read', size, at: this.bar + Structure.device + offset };
  }

  isr(): Operation {
    return { op: 'read', size: 1, at: this.bar + Structure.isr };
  }

  kick(queue: number): Operation {
    return {
      op: 'write',
      size: 2,
      at: this.bar + Structure.notify + NOTIFY_MULTIPLIER * queue,
      value: queue,
    };
  }

  /** From reset to FEATURES_OK. @param features of the type */
  negotiate({ packed, indirect, eventIdx }: RingFeatures, features: readonly number[] = []): Operation[] {
    const low = features.reduce((sum, feature) => sum | (1 << feature), 0);
    const rings = (indirect ? 1 << Feature.INDIRECT_DESC : 0) | (eventIdx ? 1 << Feature.EVENT_IDX : 0);
    const high = (1 << (Feature.VERSION_1 - 32)) | (packed ? 1 << (Feature.RING_PACKED - 32) : 0);
    return [
      this.write(Common.DEVICE_STATUS, 1, 0),
      this.read(Common.DEVICE_STATUS, 1),
      this.write(Common.DEVICE_STATUS, 1, Status.acknowledge),
      this.write(Common.DEVICE_STATUS, 1, Status.acknowledge | Status.driver),
      ...[0, 1].flatMap((word) => [
        this.write(Common.DEVICE_FEATURE_SELECT, 4, word),
        this.read(Common.DEVICE_FEATURE, 4),
      ]),
      ...[(low | rings) >>> 0, high | (1 << (Feature.RING_RESET - 32))].flatMap((value, word) => [
        this.write(Common.DRIVER_FEATURE_SELECT, 4, word),
        this.write(Common.DRIVER_FEATURE, 4, value),
      ]),
      this.write(Common.DEVICE_STATUS, 1, Status.acknowledge | Status.driver | Status.featuresOk),
      this.read(Common.DEVICE_STATUS, 1),
    ];
  }

  driverOk(): Operation {
    return this.write(Common.DEVICE_STATUS, 1, 0xf);
  }
}

/** One queue. What a device has used of it is told by `used`, or is all of it. */
export class DriverQueue {
  /** Of the split ring: the next free descriptor, and the index of what is made available next. */
  private free = 0;
  private available = 0;
  /** Of the packed ring: the next slot, and the driver's wrap counter. */
  private slot = 0;
  private wrap = 1;
  /** Slots that each chain takes that is in the device's hands. */
  private readonly taken: number[] = [];

  /**
   * @param base where its `QUEUE_BYTES` of RAM begin
   * @param size at most `MOST_SLOTS`
   */
  constructor(
    private readonly registers: VirtioRegisters,
    readonly index: number,
    readonly base: number,
    readonly size: number,
    readonly features: RingFeatures,
  ) {}

  get ring(): number {
    return this.base + Part.ring;
  }

  get driverArea(): number {
    return this.base + Part.driver;
  }

  get deviceArea(): number {
    return this.base + Part.device;
  }

  /** Slots that are free. */
  get room(): number {
    return this.size - this.taken.reduce((sum, each) => sum + each, 0);
  }

  setUp(): Operation[] {
    const { registers, size } = this;
    return [
      { op: 'store', at: this.ring, bytes: '00'.repeat(size * DESCRIPTOR) },
      { op: 'store', at: this.driverArea, bytes: '00'.repeat(8 + 2 * size) },
      { op: 'store', at: this.deviceArea, bytes: '00'.repeat(8 + 8 * size) },
      registers.write(Common.QUEUE_SELECT, 2, this.index),
      registers.write(Common.QUEUE_SIZE, 2, size),
      registers.write(Common.QUEUE_MSIX_VECTOR, 2, NO_VECTOR),
      registers.write(Common.QUEUE_DESC, 4, this.ring),
      registers.write(Common.QUEUE_DESC + 4, 4, 0),
      registers.write(Common.QUEUE_DRIVER, 4, this.driverArea),
      registers.write(Common.QUEUE_DEVICE, 4, this.deviceArea),
      registers.write(Common.QUEUE_ENABLE, 2, 1),
    ];
  }

  /** Slots that a chain of so many parts takes, if it is given as the other says. */
  slots(parts: number, direct: boolean): number {
    return direct ? parts : 1;
  }

  /** Whether a chain stands in the ring itself: by chance where it may be. */
  direct(random: Random, parts: number): boolean {
    const { indirect } = this.features;
    if (!indirect || parts > TABLE_ENTRIES) return true;
    return parts <= this.room && random.oneIn(2);
  }

  /** Makes a chain available. There is room for it. @param identifier of the packed format */
  add(parts: readonly Buffer[], direct: boolean, identifier: number): Operation[] {
    this.taken.push(this.slots(parts.length, direct));
    return this.features.packed
      ? this.packedChain(parts, direct, identifier)
      : this.splitChain(parts, direct);
  }

  /** The device has used so many chains, in their order; all of them. */
  used(chains = this.taken.length): void {
    this.taken.splice(0, chains);
  }

  /** The device has been told to forget the queue. */
  restart(): void {
    this.free = this.available = this.slot = 0;
    this.wrap = 1;
    this.used();
  }

  kick(): Operation {
    return this.registers.kick(this.index);
  }

  /** When the device is to interrupt: at a used index, not at all, or always. */
  suppression(random: Random): Operation[] {
    const { packed, eventIdx } = this.features;
    if (packed) {
      if (!eventIdx || random.oneIn(2))
        return [this.store(this.driverArea, little(0, 2) + little(random.oneIn(3) ? 1 : 0, 2))];
      const event = random.below(this.size) | (random.oneIn(2) ? 0x8000 : 0);
      return [this.store(this.driverArea, little(event, 2) + little(2, 2))];
    }
    if (!eventIdx) return [this.store(this.driverArea, little(random.oneIn(3) ? 1 : 0, 2))];
    const event = (this.available + random.between(-4, 1) + 0x10000) & 0xffff;
    return [this.store(this.driverArea + 4 + 2 * this.size, little(event, 2))];
  }

  /** Looks at what the device has written: the used ring, or the packed one. */
  looks(): Operation {
    return this.features.packed
      ? { op: 'load', at: this.ring, length: this.size * DESCRIPTOR }
      : { op: 'load', at: this.deviceArea, length: 4 + 8 * this.size };
  }

  /** What shows that the last chain was used, with no other in the device's hands. @param slots that it takes */
  lastUsed(slots: number): { at: number; bits: number; value: number } {
    if (!this.features.packed) return { at: this.deviceArea, bits: -0x10000, value: this.available << 16 };
    const first = (this.slot - slots + this.size) % this.size;
    const wrap = first < this.slot ? this.wrap : 1 - this.wrap;
    const bits = (Flag.avail | Flag.used) << 16;
    return { at: this.ring + first * DESCRIPTOR + 12, bits, value: wrap === 1 ? bits : 0 };
  }

  /** Puts a descriptor of any contents at the split ring's next place, and makes it available as this head. */
  misuse(bytes: string, head = this.free): Operation[] {
    const script = [this.store(this.ring + this.free * DESCRIPTOR, bytes)];
    return [...script, ...this.offer(head)];
  }

  /** Where the next descriptor of the split ring stands. */
  get nextFree(): number {
    return this.free;
  }

  private splitChain(parts: readonly Buffer[], direct: boolean): Operation[] {
    const { size } = this;
    const head = this.free;
    const flags = (i: number): number =>
      (parts[i].write ? Flag.write : 0) | (i === parts.length - 1 ? 0 : Flag.next);
    const place = (i: number): number => (direct ? (head + i) % size : i);
    const entries = parts.map(({ address, length }, i) =>
      descriptor(address, length, flags(i), i === parts.length - 1 ? 0 : place(i + 1)),
    );
    const table = this.base + Part.tables + head * TABLE_BYTES;
    const script = direct
      ? entries.map((entry, i) => this.store(this.ring + place(i) * DESCRIPTOR, entry))
      : [
          this.store(table, entries.join('')),
          this.store(
            this.ring + head * DESCRIPTOR,
            descriptor(table, entries.length * DESCRIPTOR, Flag.indirect, 0),
          ),
        ];
    this.free = (head + (direct ? parts.length : 1)) % size;
    return [...script, ...this.offer(head)];
  }

  private offer(head: number): Operation[] {
    const place = this.driverArea + 4 + 2 * (this.available % this.size);
    this.available = (this.available + 1) & 0xffff;
    return [this.store(place, little(head, 2)), this.store(this.driverArea + 2, little(this.available, 2))];
  }

  private packedChain(parts: readonly Buffer[], direct: boolean, identifier: number): Operation[] {
    const script: Operation[] = [];
    const put = (address: number, length: number, flags: number): void => {
      const bits = flags | (this.wrap === 1 ? Flag.avail : Flag.used);
      // The first one last: it shows them all.
      script.unshift(
        this.store(this.ring + this.slot * DESCRIPTOR, packedDescriptor(address, length, identifier, bits)),
      );
      this.slot += 1;
      if (this.slot < this.size) return;
      this.slot = 0;
      this.wrap = 1 - this.wrap;
    };
    if (direct) {
      parts.forEach(({ address, length, write }, i) =>
        put(address, length, (write ? Flag.write : 0) | (i < parts.length - 1 ? Flag.next : 0)),
      );
      return script;
    }
    const at = this.base + Part.tables + this.slot * TABLE_BYTES;
    const table = parts
      .map(({ address, length, write }) => packedDescriptor(address, length, 0, write ? Flag.write : 0))
      .join('');
    put(at, table.length / 2, Flag.indirect);
    return [this.store(at, table), ...script];
  }

  private store(at: number, bytes: string): Operation {
    return { op: 'store', at, bytes };
  }
}
