/** Scripts of an NVMe controller: from reset on, commands one after the other, each with its completion and its data. */
import {
  Admin,
  Cc,
  EVERY_NAMESPACE,
  Feature,
  Io,
  Reg,
  doorbellOf,
} from '../../../../../src/machine/devices/nvme/constants';
import type { AccessSize } from '../../../../../src/machine/bus';
import type { Random } from '../../random';
import type { Operation } from '../../script';
import { little } from '../virtio/driver';

export const BAR = 0xf0000000;
/** In RAM: submission queues, completion queues, and data with its lists. */
export const SUBMISSIONS = 0x200000;
const COMPLETIONS = 0x300000;
export const DATA = 0x400000;
const LISTS = 0x600000;
export const QUEUE_BYTES = 0x10000;
const ENTRY = { submission: 64, completion: 16 } as const;
const PAGE = 4096;
const BLOCK = 512;
const MOST_BLOCKS = 24;
/** More than either has. */
const NO_NAMESPACE = 0x1000;
const PHASE = 1 << 16;

/** Features that both have with the same values at first. */
const GETTABLE = [
  Feature.Arbitration,
  Feature.PowerManagement,
  Feature.TemperatureThreshold,
  Feature.WriteCache,
  Feature.QueueCount,
  Feature.Coalescing,
  Feature.WriteAtomicity,
];
/** What features are set to at first. */
const AT_FIRST = [
  [Feature.WriteCache, 1],
  [Feature.TemperatureThreshold, 343],
  [Feature.TemperatureThreshold, 1 << 20],
] as const;
/** Features that QEMU alone has, has for each namespace, or begins with other values. */
const QEMUS_OWN: readonly number[] = [0x03, 0x05, 0x09, 0x0b, 0x0e, 0x16, 0x19];

/** Blocks that no other command goes to. */
const UNREAD = { first: 256, end: 512 } as const;

/** A queue pair's place in its rings. */
class Pair {
  tail = 0;
  head = 0;
  phase = 1;

  constructor(
    readonly id: number,
    readonly size: number,
  ) {}

  get submissions(): number {
    return SUBMISSIONS + this.id * QUEUE_BYTES;
  }

  get completions(): number {
    return COMPLETIONS + this.id * QUEUE_BYTES;
  }
}

/** A command as it is written: words by number. */
interface Command {
  opcode: number;
  namespace?: number;
  flags?: number;
  prp1?: number;
  prp2?: number;
  /** Words 10 to 15. */
  words?: readonly number[];
}

/** One life of the controller. */
export class Session {
  private readonly pairs = new Map<number, Pair>();
  private identifier = 0;

  constructor(
    private readonly random: Random,
    private readonly blocks: number,
  ) {}

  operations(): Operation[] {
    const { random } = this;
    const script = this.enable();
    // QEMU's outlast a reset.
    for (const words of AT_FIRST) script.push(...this.admin({ opcode: Admin.SetFeatures, words }));
    for (const id of [1, 2]) script.push(...this.createPair(id, random.between(2, 16)));
    for (let rounds = random.between(4, 30); rounds > 0; rounds--) script.push(...this.round());
    return script;
  }

  private enable(): Operation[] {
    const { random } = this;
    const admin = new Pair(0, random.between(2, 16));
    this.pairs.clear();
    this.pairs.set(0, admin);
    const cc = Cc.EN | (6 << Cc.iosqes.shift) | (4 << Cc.iocqes.shift);
    return [
      this.write(Reg.CC, 0),
      { op: 'rest' },
      this.read(Reg.CSTS),
      ...this.registers(),
      ...this.clear(admin),
      this.write(Reg.AQA, (admin.size - 1) * 0x10001),
      this.write(Reg.ASQ, admin.submissions),
      this.write(Reg.ASQ_HIGH, 0),
      this.write(Reg.ACQ, admin.completions),
      this.write(Reg.ACQ_HIGH, 0),
      this.write(Reg.CC, cc),
      { op: 'rest' },
      this.read(Reg.CC),
      this.read(Reg.CSTS),
    ];
  }

  /** Reads, and writes to what keeps them. */
  private registers(): Operation[] {
    const { random } = this;
    const all = [
      Reg.CAP,
      Reg.CAP_HIGH,
      Reg.VS,
      Reg.INTMS,
      Reg.INTMC,
      Reg.CC,
      Reg.CSTS,
      Reg.AQA,
      Reg.ASQ,
      Reg.ACQ,
    ];
    return Array.from({ length: random.below(4) }, () => this.read(random.pick(all)));
  }

  private write(register: number, value: number, size: AccessSize = 4): Operation {
    return { op: 'write', size, at: BAR + register, value: value >>> 0 };
  }

  private read(register: number): Operation {
    return { op: 'read', size: 4, at: BAR + register };
  }

  private clear(pair: Pair): Operation[] {
    return [{ op: 'store', at: pair.completions, bytes: '00'.repeat(pair.size * ENTRY.completion) }];
  }

  private createPair(id: number, size: number): Operation[] {
    const pair = new Pair(id, size);
    const { random } = this;
    const script = [
      ...this.clear(pair),
      ...this.admin({
        opcode: Admin.CreateCq,
        prp1: pair.completions,
        words: [id | ((size - 1) << 16), random.pick([1, 3])],
      }),
      ...this.admin({
        opcode: Admin.CreateSq,
        prp1: pair.submissions,
        words: [id | ((size - 1) << 16), 1 | (id << 16)],
      }),
    ];
    this.pairs.set(id, pair);
    return script;
  }

  private deletePair(id: number): Operation[] {
    this.pairs.delete(id);
    return [
      ...(this.random.oneIn(4) ? this.admin({ opcode: Admin.DeleteCq, words: [id] }) : []),
      ...this.admin({ opcode: Admin.DeleteSq, words: [id] }),
      ...this.admin({ opcode: Admin.DeleteCq, words: [id] }),
    ];
  }

  private admin(command: Command): Operation[] {
    return this.command(0, command);
  }

  /** A command, and its completion; then the entry is given back. */
  private command(id: number, command: Command): Operation[] {
    const pair = this.pairs.get(id);
    if (!pair) return [];
    const { random } = this;
    const { opcode, flags = 0, namespace = 0, prp1 = 0, prp2 = 0, words = [] } = command;
    this.identifier = (this.identifier + 1) & 0xffff;
    const bytes =
      little(opcode | (flags << 8) | (this.identifier * 0x10000), 4) +
      little(namespace, 4) +
      '00'.repeat(16) +
      little(prp1, 8) +
      little(prp2, 8) +
      Array.from({ length: 6 }, (_, i) => little((words[i] ?? 0) >>> 0, 4)).join('');
    const at = pair.submissions + pair.tail * ENTRY.submission;
    pair.tail = (pair.tail + 1) % pair.size;
    const completion = pair.completions + pair.head * ENTRY.completion;
    const value = pair.phase === 1 ? PHASE : 0;
    pair.head = (pair.head + 1) % pair.size;
    if (pair.head === 0) pair.phase = 1 - pair.phase;
    return [
      { op: 'store', at, bytes },
      this.write(doorbellOf(id), pair.tail),
      { op: 'rest', until: { at: completion + 12, bits: PHASE, value } },
      { op: 'load', at: completion, length: ENTRY.completion },
      ...(random.oneIn(8) ? this.mask() : []),
      this.write(doorbellOf(id) + 4, pair.head),
    ];
  }

  private mask(): Operation[] {
    return [this.write(Reg.INTMS, 1), this.read(Reg.INTMS), this.write(Reg.INTMC, 1), this.read(Reg.INTMC)];
  }

  private round(): Operation[] {
    const { random } = this;
    const io = random.between(1, 2);
    switch (random.below(16)) {
      case 0:
        return this.registers();
      case 1:
        return [...this.deletePair(io), ...this.createPair(io, random.between(2, 16))];
      case 2:
        return this.identify();
      case 3:
        return this.setFeature();
      case 4:
        return this.getFeature();
      case 5:
        return this.wrongQueue();
      case 6:
        return this.admin({ opcode: random.pick([0x03, 0x07, 0x12, 0x7f, 0xc0, 0xff]) });
      case 7:
        return this.command(io, { opcode: random.pick([0x03, 0x06, 0x0a, 0x80, 0xff]), namespace: 1 });
      case 8:
        return this.admin({ opcode: Admin.Abort, words: [random.below(3) | (random.below(0x10000) << 16)] });
      case 9:
        return this.trim(io);
      default:
        return this.transfer(io);
    }
  }

  private identify(): Operation[] {
    const { random } = this;
    const cns = random.oneIn(4) ? random.between(0x20, 0xff) : random.below(4);
    const namespace = cns === 1 ? 0 : random.pick([0, 1, 1, 1, NO_NAMESPACE, 0xfffffffe]);
    return [
      { op: 'store', at: DATA, bytes: '00'.repeat(PAGE) },
      ...this.admin({ opcode: Admin.Identify, namespace, prp1: DATA, words: [cns] }),
      { op: 'load', at: DATA, length: PAGE },
    ];
  }

  private setFeature(): Operation[] {
    const { random } = this;
    const [feature, value] = random.pick([
      [Feature.TemperatureThreshold, random.below(0x10000) | (random.below(4) << 20)],
      [Feature.WriteCache, random.below(2)],
      [Feature.QueueCount, random.word()],
    ] as const);
    return [
      ...this.admin({ opcode: Admin.SetFeatures, words: [feature, value] }),
      ...this.admin({ opcode: Admin.GetFeatures, words: [feature, value & (3 << 20)] }),
    ];
  }

  private getFeature(): Operation[] {
    const { random } = this;
    const feature = random.pick([...GETTABLE, random.below(256)]);
    return QEMUS_OWN.includes(feature) ? [] : this.admin({ opcode: Admin.GetFeatures, words: [feature] });
  }

  /** Queues that cannot be made or deleted. */
  private wrongQueue(): Operation[] {
    const { random } = this;
    const at = COMPLETIONS + 3 * QUEUE_BYTES;
    const right = 3 | (7 << 16);
    const opcode = random.pick([Admin.CreateCq, Admin.CreateSq]);
    const queue = opcode === Admin.CreateSq ? 1 | (1 << 16) : 1;
    switch (random.below(7)) {
      case 0:
        return this.admin({
          opcode,
          prp1: at,
          words: [random.pick([0, 1, 2, 5, 0xffff]) | (7 << 16), queue],
        });
      case 1:
        return this.admin({ opcode, prp1: at, words: [3, queue] });
      case 2:
        return this.admin({ opcode, prp1: at, words: [3 | (0x800 << 16), queue] });
      case 3:
        return this.admin({ opcode, prp1: at + random.pick([4, 512]), words: [right, queue] });
      case 4:
        return this.admin({
          opcode: Admin.CreateSq,
          prp1: at,
          words: [right, 1 | (random.pick([0, 3, 4, 9]) << 16)],
        });
      case 5:
        return this.admin({
          opcode: Admin.CreateCq,
          prp1: at,
          words: [right, 1 | (random.pick([1, 5, 0xffff]) << 16)],
        });
      default:
        return this.admin({
          opcode: random.pick([Admin.DeleteSq, Admin.DeleteCq]),
          words: [random.pick([0, 3, 4, 5, 0xffff])],
        });
    }
  }

  /** Reads, writes, compares, zeroes or flushes. */
  private transfer(queue: number): Operation[] {
    const { random } = this;
    const opcode = random.pick([Io.Read, Io.Read, Io.Write, Io.Write, Io.Compare, Io.WriteZeroes, Io.Flush]);
    const namespace = random.oneIn(20) ? random.pick([0, NO_NAMESPACE]) : 1;
    if (opcode === Io.Flush) {
      return this.command(queue, { opcode, namespace: random.oneIn(4) ? EVERY_NAMESPACE : namespace });
    }
    const count = random.oneIn(3) ? random.between(1, MOST_BLOCKS) : random.between(1, 9);
    const first = random.oneIn(12) ? this.blocks - random.below(MOST_BLOCKS) : random.below(64);
    const words = [first, 0, count - 1];
    if (opcode === Io.WriteZeroes) return this.command(queue, { opcode, namespace, words });
    const { prp1, prp2, list, pages } = this.pointers(count * BLOCK);
    const fills = opcode === Io.Read ? '00'.repeat(PAGE) : random.hex(32).repeat(PAGE / 32);
    return [
      ...pages.map((at): Operation => ({ op: 'store', at: at - (at % PAGE), bytes: fills })),
      ...list,
      ...this.command(queue, { opcode, namespace, prp1, prp2, words }),
      ...(opcode === Io.Read
        ? pages.map((at): Operation => ({ op: 'load', at: at - (at % PAGE), length: PAGE }))
        : []),
    ];
  }

  /** Where so many bytes of data are. */
  private pointers(bytes: number): { prp1: number; prp2: number; list: Operation[]; pages: number[] } {
    const { random } = this;
    const offset = random.oneIn(2) ? 0 : random.below(PAGE / 4) * 4;
    const count = Math.ceil((offset + bytes) / PAGE);
    const start = random.below(16);
    const pages = Array.from({ length: count }, (_, i) => DATA + ((start + 3 * i) % 64) * PAGE);
    pages[0] += offset;
    const [prp1, second = 0] = pages;
    if (count <= 2) {
      const prp2 = count === 2 && random.oneIn(15) ? second + 4 : second;
      return { prp1, prp2, list: [], pages };
    }
    const rest = pages.slice(1).map((at) => (random.oneIn(60) ? at + 512 : at));
    const at = LISTS + (random.oneIn(2) ? 0 : PAGE - 8 * random.between(rest.length, 64));
    return {
      prp1,
      prp2: at,
      list: [{ op: 'store', at, bytes: rest.map((page) => little(page, 8)).join('') }],
      pages,
    };
  }

  /** Dataset Management. */
  private trim(queue: number): Operation[] {
    const { random } = this;
    const ranges = Array.from({ length: random.between(1, 4) }, () => {
      const first = random.between(UNREAD.first, UNREAD.end - 8);
      return little(0, 4) + little(random.between(1, 8), 4) + little(first, 8);
    });
    return [
      { op: 'store', at: DATA, bytes: ranges.join('') },
      ...this.command(queue, {
        opcode: Io.DatasetManagement,
        namespace: 1,
        prp1: DATA,
        words: [ranges.length - 1, random.pick([0, 1, 2, 4, 4, 4])],
      }),
    ];
  }
}
