/**
 * The entropy device of virtio on PCI: negotiation, the common configuration, and its queue in both formats with chains, tables of
 * indirect descriptors and notifications by index. What it fills buffers with is random on both sides; all else is compared.
 */
import { Feature } from '../../../../src/machine/devices/virtio/features';
import { Common, Structure } from '../../../../src/machine/devices/virtio/pci/layout';
import type { AccessSize } from '../../../../src/machine/bus';
import type { Allowance, Judge, QtestDevice } from '../device';
import { FIRST_SLOT, turnOn } from '../pci';
import type { Random } from '../random';
import type { Operation, Step } from '../script';

const BAR = 0xf0000000;
const LINE = 1 << 11;
const At = {
  ring: 0x200000,
  driver: 0x201000,
  device: 0x202000,
  tables: 0x203000,
  buffers: 0x210000,
} as const;
const QUEUE = 8;
const DESCRIPTOR = 16;
const Status = { acknowledge: 1, driver: 2, driverOk: 4, featuresOk: 8 } as const;
/** Bits of a descriptor: of both formats, and of the packed one. */
const Flag = { next: 1, write: 2, indirect: 4, avail: 1 << 7, used: 1 << 15 } as const;
/** Where flags stand in a descriptor of the packed ring. */
const FLAGS_AT = 14;
const NO_VECTOR = 0xffff;

const common = (field: number, size: AccessSize, value: number): Operation => ({
  op: 'write',
  size,
  at: BAR + Structure.common + field,
  value,
});
const readCommon = (field: number, size: AccessSize): Operation => ({
  op: 'read',
  size,
  at: BAR + Structure.common + field,
});

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

function little(value: number, bytes: number): string {
  let text = '';
  for (let i = 0; i < bytes; i++) text += (Math.floor(value / 256 ** i) % 256).toString(16).padStart(2, '0');
  return text;
}

/** A part of a chain of buffers. */
interface Part {
  address: number;
  length: number;
}

/** One life of the driver: from reset to some chains that the device has used. */
class Session {
  private readonly packed: boolean;
  private readonly indirect: boolean;
  private readonly eventIdx: boolean;
  /** Of the split ring: the next free descriptor, and the index of what is made available next. */
  private free = 0;
  private available = 0;
  /** Of the packed ring: the next slot, and the driver's wrap counter. */
  private slot = 0;
  private wrap = 1;

  constructor(private readonly random: Random) {
    this.packed = random.oneIn(2);
    this.indirect = random.oneIn(2);
    this.eventIdx = random.oneIn(2);
  }

  operations(): Operation[] {
    const { random } = this;
    const rounds = Array.from({ length: random.between(1, 8) }, () => this.round());
    return [...this.setUp(), ...rounds.flat()];
  }

  private setUp(): Operation[] {
    const { random, packed, indirect, eventIdx } = this;
    const low = (indirect ? 1 << Feature.INDIRECT_DESC : 0) | (eventIdx ? 1 << Feature.EVENT_IDX : 0);
    const high = (1 << (Feature.VERSION_1 - 32)) | (packed ? 1 << (Feature.RING_PACKED - 32) : 0);
    const some = (): Operation[] => (random.oneIn(2) ? [readCommon(...random.pick(FIELDS))] : []);
    return [
      common(Common.DEVICE_STATUS, 1, 0),
      readCommon(Common.DEVICE_STATUS, 1),
      common(Common.DEVICE_STATUS, 1, Status.acknowledge),
      common(Common.DEVICE_STATUS, 1, Status.acknowledge | Status.driver),
      ...[0, 1].flatMap((word) => [
        common(Common.DEVICE_FEATURE_SELECT, 4, word),
        readCommon(Common.DEVICE_FEATURE, 4),
      ]),
      common(Common.DRIVER_FEATURE_SELECT, 4, 0),
      common(Common.DRIVER_FEATURE, 4, low >>> 0),
      common(Common.DRIVER_FEATURE_SELECT, 4, 1),
      common(Common.DRIVER_FEATURE, 4, high),
      common(Common.DEVICE_STATUS, 1, Status.acknowledge | Status.driver | Status.featuresOk),
      readCommon(Common.DEVICE_STATUS, 1),
      ...some(),
      { op: 'store', at: At.ring, bytes: '00'.repeat(At.buffers - At.ring) },
      common(Common.QUEUE_SELECT, 2, 0),
      common(Common.QUEUE_SIZE, 2, QUEUE),
      common(Common.QUEUE_MSIX_VECTOR, 2, NO_VECTOR),
      common(Common.QUEUE_DESC, 4, At.ring),
      common(Common.QUEUE_DRIVER, 4, At.driver),
      common(Common.QUEUE_DEVICE, 4, At.device),
      common(Common.QUEUE_ENABLE, 2, 1),
      ...some(),
      ...some(),
      common(Common.DEVICE_STATUS, 1, 0xf),
      ...some(),
    ];
  }

  /** Some chains are made available, the device is told, and what it did is looked at. */
  private round(): Operation[] {
    const { random } = this;
    this.free = 0;
    const script: Operation[] = [];
    let room = QUEUE;
    for (let n = random.between(1, 3); n > 0 && room > 0; n--) {
      const direct = !this.indirect || random.oneIn(2);
      const parts = random.between(1, Math.min(3, direct ? room : 3));
      room -= direct ? parts : 1;
      script.push(...this.chain(this.parts(parts, n), direct));
    }
    return [
      ...script,
      ...this.suppression(),
      { op: 'write', size: 2, at: BAR + Structure.notify, value: 0 },
      { op: 'rest' },
      ...this.looks(),
      ...(random.oneIn(2) ? [this.readIsr()] : []),
    ];
  }

  private parts(count: number, chain: number): Part[] {
    return Array.from({ length: count }, (_, i) => ({
      address: At.buffers + chain * 0x4000 + i * 0x1000,
      length: this.random.between(1, 600),
    }));
  }

  private chain(parts: readonly Part[], direct: boolean): Operation[] {
    return this.packed ? this.packedChain(parts, direct) : this.splitChain(parts, direct);
  }

  private splitChain(parts: readonly Part[], direct: boolean): Operation[] {
    const head = this.free;
    const table = (first: number): string =>
      parts
        .map(({ address, length }, i) => {
          const last = i === parts.length - 1;
          return descriptor(address, length, Flag.write | (last ? 0 : Flag.next), last ? 0 : first + i + 1);
        })
        .join('');
    const script = direct
      ? [this.store(At.ring + head * DESCRIPTOR, table(head))]
      : this.through(At.ring + head * DESCRIPTOR, table(0), descriptor);
    this.free += direct ? parts.length : 1;
    const place = At.driver + 4 + 2 * (this.available % QUEUE);
    this.available += 1;
    return [
      ...script,
      this.store(place, little(head, 2)),
      this.store(At.driver + 2, little(this.available, 2)),
    ];
  }

  private packedChain(parts: readonly Part[], direct: boolean): Operation[] {
    const identifier = this.random.below(QUEUE);
    const script: Operation[] = [];
    const put = (address: number, length: number, flags: number): void => {
      const bits = flags | (this.wrap === 1 ? Flag.avail : Flag.used);
      script.unshift(
        this.store(At.ring + this.slot * DESCRIPTOR, packedDescriptor(address, length, identifier, bits)),
      );
      this.slot += 1;
      if (this.slot < QUEUE) return;
      this.slot = 0;
      this.wrap = 1 - this.wrap;
    };
    if (direct) {
      parts.forEach(({ address, length }, i) =>
        put(address, length, Flag.write | (i < parts.length - 1 ? Flag.next : 0)),
      );
      return script;
    }
    const at = At.tables + this.slot * 0x100;
    const table = parts
      .map(({ address, length }) => packedDescriptor(address, length, 0, Flag.write))
      .join('');
    put(at, table.length / 2, Flag.indirect);
    return [this.store(at, table), ...script];
  }

  private through(
    at: number,
    table: string,
    make: (address: number, length: number, flags: number, next: number) => string,
  ): Operation[] {
    const where = At.tables + this.free * 0x100;
    return [this.store(where, table), this.store(at, make(where, table.length / 2, Flag.indirect, 0))];
  }

  /** When the device is to interrupt: at a used index, not at all, or always. */
  private suppression(): Operation[] {
    const { random, packed, eventIdx } = this;
    if (packed) return [this.store(At.driver, little(0, 2) + little(random.oneIn(3) ? 1 : 0, 2))];
    if (!eventIdx) return [this.store(At.driver, little(random.oneIn(3) ? 1 : 0, 2))];
    const event = (this.available + random.between(-4, 1) + 0x10000) & 0xffff;
    return [this.store(At.driver + 4 + 2 * QUEUE, little(event, 2))];
  }

  private looks(): Operation[] {
    const { packed } = this;
    return packed
      ? [{ op: 'load', at: At.ring, length: QUEUE * DESCRIPTOR }]
      : [{ op: 'load', at: At.device, length: 4 + 8 * QUEUE }];
  }

  private readIsr(): Operation {
    return { op: 'read', size: 1, at: BAR + Structure.isr };
  }

  private store(at: number, bytes: string): Operation {
    return { op: 'store', at, bytes };
  }
}

function descriptor(address: number, length: number, flags: number, next: number): string {
  return little(address, 8) + little(length, 4) + little(flags, 2) + little(next, 2);
}

function packedDescriptor(address: number, length: number, identifier: number, flags: number): string {
  return little(address, 8) + little(length, 4) + little(identifier, 2) + little(flags, 2);
}

/** Follows when QEMU interrupts once for good measure. */
class Follower {
  private features = 0;
  private featureWord = 0;
  private packed = false;
  /** No notification of a used buffer has been weighed since the driver began. */
  private first = false;
  /** QEMU's interrupt may stand without Trapline's. */
  private extra = false;

  follow({ operation, qemu, trapline }: Step): Allowance[] {
    return [...this.interrupts(operation), ...usedDescriptors(operation, qemu.value, trapline.value)];
  }

  private interrupts(operation: Operation): Allowance[] {
    const reads = operation.op === 'read' && operation.at === BAR + Structure.isr;
    if (operation.op === 'write') this.written(operation.at - BAR, operation.value);
    const kicks = operation.op === 'write' && operation.at === BAR + Structure.notify;
    if (kicks) return [{ difference: 'time', lines: LINE }];
    if (!this.extra) return [];
    if (reads) this.extra = false;
    return [{ difference: 'first interrupt', lines: LINE, value: reads ? 1 : 0 }];
  }

  private written(at: number, value: number): void {
    if (at === Common.DEVICE_STATUS) {
      const eventIdx = (this.features & (1 << Feature.EVENT_IDX)) !== 0;
      this.first = (value & Status.driverOk) !== 0 && eventIdx && !this.packed;
      if (value === 0) this.extra = false;
    } else if (at === Common.DRIVER_FEATURE_SELECT) this.featureWord = value;
    else if (at === Common.DRIVER_FEATURE && this.featureWord === 0) this.features = value;
    else if (at === Common.DRIVER_FEATURE) this.packed = (value & (1 << (Feature.RING_PACKED - 32))) !== 0;
    else if (at === Structure.notify && this.first) {
      this.first = false;
      this.extra = true;
    }
  }
}

/** Used descriptors of the packed ring, which both write over available ones. */
function usedDescriptors(operation: Operation, qemu: unknown, trapline: unknown): Allowance[] {
  if (operation.op !== 'load' || operation.at !== At.ring) return [];
  const [theirs, ours] = [qemu, trapline].map((text) => Buffer.from(String(text), 'hex'));
  return Array.from({ length: QUEUE }, (_, n) => n * DESCRIPTOR).flatMap((at): Allowance[] => {
    if (
      (theirs[at + FLAGS_AT] ^ ours[at + FLAGS_AT]) !== Flag.write ||
      (ours[at + FLAGS_AT] & Flag.write) === 0
    )
      return [];
    const address = Array.from({ length: 8 }, (_unused, i) => at + i);
    return [
      { difference: 'written buffers', bytes: [at + FLAGS_AT] },
      { difference: 'address of used buffers', bytes: address.filter((each) => ours[each] === 0) },
    ];
  });
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
    `virtio-rng-pci,rng=random,addr=${FIRST_SLOT},disable-legacy=on,packed=on`,
  ],
  models: [{ model: 'virtio-rng', name: 'virtio-rng', virtio: { interfaces: 'modern' }, seed: 1 }],
  // QEMU's touches no queue while its machine is stopped.
  timed: true,
  lines: LINE,
  differences: {
    time: {
      qemu: 'serves the queue when its main loop comes to it',
      trapline: 'serves it as fast as its bus is, here in no time',
      section: 'virtio 1.3 gives no time',
    },
    'written buffers': {
      qemu: 'does not say in a used descriptor that it has written',
      trapline: 'sets VIRTQ_DESC_F_WRITE there when it has',
      section: 'virtio 1.3, 2.8.4',
    },
    'address of used buffers': {
      qemu: 'leaves the address in a used descriptor, which it writes in part',
      trapline: 'writes the whole descriptor, with zeros where nothing is said',
      section: 'virtio 1.3, 2.8 (of a used descriptor, identifier, length and flags mean something)',
    },
    'first interrupt': {
      qemu: 'interrupts for the first used buffers whatever used_event says',
      trapline: 'interrupts when the used index passes used_event',
      section: 'virtio 1.3, 2.7.7.2',
    },
  },
  prologue: turnOn(FIRST_SLOT, { 4: BAR }),
  begin: (random) => () => new Session(random).operations(),
  judge,
};
