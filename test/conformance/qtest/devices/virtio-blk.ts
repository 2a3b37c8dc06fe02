/** The block device of virtio on PCI: requests of all kinds one after the other, with chains of all layouts, over rings of both formats. */
import { BlkFeature, RequestType } from '../../../../src/machine/devices/virtio/blk/constants';
import { Common } from '../../../../src/machine/devices/virtio/pci/layout';
import type { Allowance, Judge, QtestDevice } from '../device';
import { FIRST_SLOT, turnOn } from '../pci';
import type { Random } from '../random';
import type { Operation, Step } from '../script';
import { disorder, DisorderFollower, disorderDifferences } from './virtio/disorder';
import { DriverQueue, little, MOST_SLOTS, ringFeatures, VirtioRegisters, type Buffer } from './virtio/driver';
import { FunctionFollower, sharedLine, usedDescriptors, virtioDifferences } from './virtio/follow';
import { breakRule, misuseAvoided } from './virtio/misuse';

const BAR = 0xf0000000;
const LINE = 1 << 11;
const DISORDER = 10;
const RING = 0x200000;
const DATA = 0x240000;
const HEADER = 0x280000;
const STATUS = 0x290000;
const SECTOR = 512;
const HEADER_BYTES = 16;
const SIZE = 1 << 20;
const SECTORS = SIZE / SECTOR;
const ID_BYTES = 20;
const FEATURES = [BlkFeature.FLUSH, BlkFeature.DISCARD, BlkFeature.WRITE_ZEROES, BlkFeature.BLK_SIZE];
/** Of the offered features: how large segments may be, and geometry. */
const OWN_FEATURES = 0x16;
const QUEUES = [256];
const NO_TIME = { readNanoseconds: 0, writeNanoseconds: 0, flushNanoseconds: 0 };

/** One life of the driver. */
class Session {
  private readonly registers = new VirtioRegisters(BAR);
  private readonly queue: DriverQueue;

  constructor(private readonly random: Random) {
    const rings = ringFeatures(random);
    const size = rings.packed && random.oneIn(2) ? random.between(8, MOST_SLOTS) : random.pick([8, 16, 32]);
    this.queue = new DriverQueue(this.registers, 0, RING, size, rings);
  }

  operations(): Operation[] {
    const { random, registers, queue } = this;
    const script = [...registers.negotiate(queue.features, FEATURES), ...queue.setUp(), registers.driverOk()];
    for (let rounds = random.between(1, 12); rounds > 0; rounds--) {
      script.push(...this.request());
      if (random.oneIn(2)) script.push(registers.isr());
      if (random.oneIn(4)) script.push(registers.configuration(4 * random.pick([0, 1, 5]), 4));
    }
    if (random.oneIn(4)) script.push(...breakRule(random, queue, registers));
    return script;
  }

  private request(): Operation[] {
    const { random, queue } = this;
    const type = random.pick([
      0,
      0,
      0,
      1,
      1,
      1,
      RequestType.FLUSH,
      RequestType.GET_ID,
      RequestType.WRITE_ZEROES,
      98,
    ]);
    const sector = random.oneIn(12) ? SECTORS - random.below(3) : random.below(48);
    const sectors = random.between(1, random.oneIn(4) ? 16 : 3);
    const range = little(sector, 8) + little(sectors, 4) + little(0, 4);
    const reads = type === RequestType.IN;
    const bytes = reads
      ? '00'.repeat(sectors * SECTOR)
      : type === RequestType.OUT
        ? random.hex(SECTOR).repeat(sectors)
        : type === RequestType.WRITE_ZEROES
          ? range
          : type === RequestType.GET_ID
            ? '00'.repeat(ID_BYTES)
            : '';
    const write = reads || type === RequestType.GET_ID;
    const parts: Buffer[] = [
      ...this.cut(HEADER, HEADER_BYTES, false),
      ...(bytes === '' ? [] : this.cut(DATA, bytes.length / 2, write)),
      { address: STATUS, length: 1, write: true },
    ];
    const direct = queue.direct(random, parts.length);
    const slots = queue.slots(parts.length, direct);
    if (slots > queue.room) return [];
    const header = little(type, 4) + little(0, 4) + little(type === RequestType.WRITE_ZEROES ? 0 : sector, 8);
    const script: Operation[] = [
      { op: 'store', at: HEADER, bytes: header },
      ...(bytes === '' ? [] : [{ op: 'store' as const, at: DATA, bytes }]),
      { op: 'store', at: STATUS, bytes: 'ee' },
      ...queue.add(parts, direct, random.below(queue.size)),
      ...queue.suppression(random),
      queue.kick(),
      { op: 'rest', until: queue.lastUsed(slots) },
      queue.looks(),
      { op: 'load', at: STATUS, length: 1 },
      ...(write ? [{ op: 'load' as const, at: DATA, length: bytes.length / 2 }] : []),
    ];
    queue.used();
    return script;
  }

  private cut(address: number, length: number, write: boolean): Buffer[] {
    const { random } = this;
    if (length < 2 || random.oneIn(2)) return [{ address, length, write }];
    const at = random.between(1, length - 1);
    return [
      { address, length: at, write },
      { address: address + at, length: length - at, write },
    ];
  }
}

class Follower {
  private readonly device = new FunctionFollower({ bar: BAR, line: LINE });
  private readonly order = new DisorderFollower(BAR, QUEUES);

  private type = 0;
  private sector = 0;
  /** A read has failed since the reset: the lengths of used buffers may tell it. */
  private failed = false;

  follow(step: Step): Allowance[] {
    const { operation, qemu, trapline } = step;
    if (operation.op === 'store' && operation.at === HEADER) {
      const header = Buffer.from(operation.bytes, 'hex');
      this.type = header.readUInt32LE(0);
      this.sector = header.readUInt32LE(8);
    } else if (operation.op === 'store' && operation.at === DATA && this.type === RequestType.IN)
      this.failed ||= this.sector + operation.bytes.length / 2 / SECTOR > SECTORS;
    else if (operation.op === 'write' && operation.at === BAR + Common.DEVICE_STATUS && operation.value === 0)
      this.failed = false;
    const found = [
      ...this.device.follow(step),
      ...this.order.follow(step),
      ...sharedLine([this.device], LINE, step),
    ];
    if (operation.op === 'read' && operation.at === BAR + Common.DEVICE_FEATURE)
      found.push({ difference: 'own features', value: OWN_FEATURES });
    if (operation.op === 'load' && operation.at === RING)
      found.push(...usedDescriptors(qemu.value, trapline.value));
    if (operation.op === 'load' && this.failed && operation.at < DATA)
      found.push({ difference: 'failed reads', bytes: lengthsAt(operation.at, operation.length) });
    return found;
  }
}

/** Where the lengths of used buffers stand. */
function lengthsAt(start: number, bytes: number): number[] {
  const places: number[] = [];
  for (let at = 8 - (start % 8); at < bytes; at += start === RING ? 16 : 8)
    places.push(at, at + 1, at + 2, at + 3);
  return places;
}

function judge(): Judge {
  const follower = new Follower();
  return (step) => follower.follow(step);
}

export const virtioBlk: QtestDevice = {
  name: 'virtio-blk',
  qemu: [
    '-drive',
    `if=none,id=disk,driver=raw,file.driver=null-co,file.size=${SIZE},file.read-zeroes=on,snapshot=on`,
    '-device',
    `virtio-blk-pci,drive=disk,serial=TL-virtio-blk,addr=${FIRST_SLOT},disable-legacy=on,packed=on,ioeventfd=off,num-queues=1,queue-size=256`,
  ],
  models: [
    {
      model: 'virtio-blk',
      name: 'virtio-blk',
      virtio: { interfaces: 'modern' },
      blk: { size: SIZE, blockSize: SECTOR, queues: 1, readOnly: false, timing: NO_TIME },
    },
  ],
  timed: true,
  lines: LINE,
  differences: {
    ...virtioDifferences,
    ...disorderDifferences,
    'failed reads': {
      qemu: 'counts the room for the data of a read that failed to what it has written',
      trapline: 'counts what was written without a gap from the begin on, here nothing',
      section: 'virtio 1.3, 2.7.8.2',
    },
    'own features': {
      qemu: 'offers a geometry',
      trapline: 'offers limits of segments',
      section: 'virtio 1.3, 5.2.3',
    },
  },
  avoided: [...misuseAvoided],
  prologue: turnOn(FIRST_SLOT, { 4: BAR }),
  begin: (random) => () =>
    random.oneIn(DISORDER) ? disorder(random, new VirtioRegisters(BAR)) : new Session(random).operations(),
  judge,
};
