/** A guest that stops at nothing: accesses to any register of its board, each by chance, with what is nearly right the likeliest. */
import type { AccessSize } from '../../../src/machine/bus';
import type { AddressMap, Region } from '../../../src/machine/address-map';
import { barOffset } from '../../../src/machine/pci/bars';
import { CapabilityId, Config } from '../../../src/machine/pci/config';
import type { PciFunction } from '../../../src/machine/pci/function';
import { CONFIG_PORTS, ECAM } from '../../../src/machine/pci/root';
import { CPUS, RAM, type HostileBoard, type Tag } from './board';
import type { Dice } from './dice';

/** Offsets that are looked through for registers. */
const SEARCHED = 0x20000;
const PAGE = 4096;
/** Where no memory is. */
const NOWHERE = [RAM, 0x10000000, 0x7ffff000, 0xfffff000];
/** The device's function on bus 0. */
const SLOT = 3;
const COMMAND = 4;
const ALL_ON = 7;

/** One stretch of registers as the firmware left it, and where registers are in it. */
export interface Place {
  space: 'memory' | 'ports';
  base: number;
  size: number;
  known: readonly number[];
}

/** Known registers by unit and part: the same on each board of a kind. */
const knownOffsets = new Map<string, readonly number[]>();

function knownOf(region: Region<Tag>): readonly number[] {
  const { size, block, tag } = region;
  const key = `${tag.unit.name}/${tag.offset}/${size}/${region.base}`;
  const found = knownOffsets.get(key);
  if (found) return found;
  const known: number[] = [];
  for (let at = 0; at < Math.min(size, SEARCHED); at++)
    if (block.registerName(at) !== undefined) known.push(at);
  knownOffsets.set(key, known);
  return known;
}

/** The guest of one board, which may be taken from under it and replaced by another. */
export class Guest {
  private bars: readonly (readonly [offset: number, value: number])[] | undefined;

  constructor(
    public board: HostileBoard,
    readonly dice: Dice,
  ) {}

  get fn(): PciFunction {
    if (!this.board.device) throw new Error('the board has no device');
    return this.board.device.pci;
  }

  /** Where a unit answers. */
  places(unit: string): Place[] {
    const { pc } = this.board;
    return (['memory', 'ports'] as const).flatMap((space) =>
      pc[space]
        .regions()
        .filter(({ tag }) => tag.unit.name === unit)
        .map((region) => ({ space, base: region.base, size: region.size, known: knownOf(region) })),
    );
  }

  // --- registers --------------------------------------------------------------------------------------------------------

  /** Any access to one of the places. */
  access(places: readonly Place[]): void {
    if (places.length === 0) return;
    const { dice } = this;
    const { space, base, size: bytes, known } = dice.pick(places);
    const offset = known.length > 0 && !dice.oneIn(8) ? dice.pick(known) : dice.below(bytes);
    const map = this.board.pc[space];
    const size = dice.pick([4, 4, 4, 1, 1, 2, 8]);
    const cpu = dice.below(CPUS);
    if (dice.oneIn(3)) this.read(map, base + offset, size, cpu);
    else map.write(base + offset, size, this.value(size), dice.word(), cpu);
  }

  /** Through the block itself where it can be, so that what it returns is seen as it is. */
  private read(map: AddressMap<Tag>, address: number, size: number, cpu: number): void {
    const { watch } = this.board;
    const region = map.find(address);
    const whole = region && address % size === 0 && address - region.base + size <= region.size;
    if (whole && size !== 8)
      watch.value(region.block.read(address - region.base, size as AccessSize, cpu), size);
    else watch.value(map.read(address, size, cpu), Math.min(size, 4));
  }

  /** A register of a BAR, by a driver that knows what it wants. */
  get(bar: number, offset: number, size: AccessSize = 4): number {
    const value = this.barOf(bar)?.block.read(offset, size, 0) ?? 0;
    this.board.watch.value(value, size);
    return value;
  }

  set(bar: number, offset: number, value: number, size: AccessSize = 4): void {
    this.barOf(bar)?.block.write(offset, size, value % 2 ** (8 * size), 0);
  }

  private barOf(index: number) {
    return this.fn.bars.find((bar) => bar.index === index);
  }

  /** A value for a register: small, a bit, a pointer or anything. */
  value(size = 4): number {
    const { dice } = this;
    const kind = dice.below(6);
    const value =
      kind === 0
        ? dice.word()
        : kind === 1
          ? dice.below(256)
          : kind === 2
            ? 2 ** dice.below(32)
            : kind === 3
              ? dice.pick([0, 1, 3, 7, 0xf, 0xff, 0xffff, 0xffffffff, 0x80000000])
              : kind === 4
                ? this.pointer()
                : dice.below(16);
    return size >= 4 ? value : value % 2 ** (8 * size);
  }

  // --- configuration space ------------------------------------------------------------------------------------------------

  /** Remembers where the firmware has put the BARs. */
  learn(): void {
    this.bars = this.fn.bars.flatMap((bar) => {
      const at = barOffset(bar);
      const offsets = bar.kind === 'memory64' ? [at, at + 4] : [at];
      return offsets.map((offset) => [offset, this.fn.read(offset, 4)] as const);
    });
  }

  /** Puts the function back where it was, and turns it on. */
  turnOn(): void {
    for (const [offset, value] of this.bars ?? []) this.config(offset, 4, value);
    this.config(COMMAND, 2, ALL_ON);
    if (this.dice.oneIn(2)) this.switchMessages();
  }

  /** Turns MSI-X on or off, with an address and a vector for each of its messages. */
  private switchMessages(): void {
    const { fn, dice } = this;
    let at = fn.read(Config.CapabilitiesPointer, 1);
    while (at !== 0 && fn.read(at, 1) !== CapabilityId.msix) at = fn.read(at + 1, 1);
    if (at === 0) return;
    const table = fn.read(at + 4, 4);
    for (let entry = 0; entry <= (fn.read(at + 2, 2) & 0x7ff); entry++)
      [0xfee00000, 0, 0x40 + entry, dice.oneIn(8) ? 1 : 0].forEach((word, i) =>
        this.set(table & 7, (table & ~7) + 16 * entry + 4 * i, word),
      );
    this.config(at + 2, 2, dice.pick([0x8000, 0x8000, 0xc000, 0]));
  }

  /** A write to the function's configuration space, by either way. */
  config(offset: number, size: AccessSize, value: number): void {
    const { memory, ports } = this.board.pc;
    if (offset >= 0x100 || this.dice.oneIn(2)) {
      memory.write(ECAM.base + SLOT * 0x8000 + offset, size, value);
      return;
    }
    ports.write(CONFIG_PORTS.base, 4, (0x80000000 | (SLOT << 11) | (offset & 0xfc)) >>> 0);
    ports.write(CONFIG_PORTS.base + 4 + (offset & 3), size, value);
  }

  /** Anything in the function's configuration space; what turns it off is not left so for long. */
  configure(): void {
    const { dice } = this;
    const size = dice.pick<AccessSize>([1, 2, 4]);
    const offset = dice.oneIn(8) ? dice.below(0x1000) : dice.below(0x100);
    const at = offset & ~(size - 1);
    this.board.watch.value(this.board.pc.memory.read(ECAM.base + SLOT * 0x8000 + at, size), size);
    this.config(at, size, dice.oneIn(2) ? this.value(size) : dice.below(256));
  }

  // --- memory -------------------------------------------------------------------------------------------------------------

  get view(): DataView {
    return this.board.view;
  }

  /** Mostly a page's begin, and mostly memory. */
  pointer(): number {
    const { dice } = this;
    const page = dice.below(RAM / PAGE) * PAGE;
    return dice.pick([
      page,
      page,
      page + 16 * dice.below(256),
      page + dice.below(PAGE),
      page + PAGE - 8,
      RAM - 1 - dice.below(64),
      dice.pick(NOWHERE),
    ]);
  }

  /** 64 bits that are mostly an address below 2^32. */
  putPointer(at: number, pointer = this.pointer()): void {
    this.view.setUint32(at, pointer, true);
    this.view.setUint32(at + 4, this.dice.oneIn(200) ? this.dice.word() : 0, true);
  }

  /** Some bytes somewhere, of the kind that numbers of a header are. */
  scribble(at = this.dice.below(RAM - 64), length = 1 + this.dice.below(32)): void {
    const { dice } = this;
    const { ram } = this.board;
    const small = dice.oneIn(2);
    for (let i = 0; i < length && at + i < RAM; i++)
      ram[at + i] = small ? (i % 4 === 0 ? dice.below(12) : 0) : dice.word();
  }
}
