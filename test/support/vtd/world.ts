/** A remapping unit with memory, time and tables, for tests. */
import { World } from '../../unit/machine/fake-bus';
import type { RequesterId } from '../../../src/machine/bus';
import type { InterruptPart } from '../../../src/machine/iommu/interrupt-remapper';
import type { DeviceTlbPort } from '../../../src/machine/iommu/invalidator';
import type {
  FaultReport,
  InvalidationReport,
  TranslatedPage,
  WaitReport,
  WalkReport,
} from '../../../src/machine/iommu/observer';
import { SERVER_UNIT, type RemappingOptions } from '../../../src/machine/iommu/options';
import { RemappingUnit } from '../../../src/machine/iommu/remapping-unit';
import type { TableMemory } from '../../../src/machine/iommu/table-reader';
import { DataSlot } from '../../../src/machine/memory/data-slot';
import { HostMemory } from '../../../src/machine/memory/host-memory';

/** Costs that can be told apart in a sum. */
export const COSTS = {
  lookup: 1,
  reference: 100,
  command: 700,
  descriptor: 500,
  deviceInvalidation: 3000,
  deviceTimeout: 50_000,
};
export const MEMORY = { base: 0x100000, size: 0x400000 };
/** Registers by the specification's table (10.4.1), but for those whose place the unit tells. */
export const R = {
  CAP: 0x08,
  ECAP: 0x10,
  GCMD: 0x18,
  GSTS: 0x1c,
  RTADDR: 0x20,
  CCMD: 0x28,
  FSTS: 0x34,
  FECTL: 0x38,
  FEDATA: 0x3c,
  FEADDR: 0x40,
  FEUADDR: 0x44,
  PMEN: 0x64,
  PLMBASE: 0x68,
  PLMLIMIT: 0x6c,
  PHMBASE: 0x70,
  PHMLIMIT: 0x78,
  IQH: 0x80,
  IQT: 0x88,
  IQA: 0x90,
  ICS: 0x9c,
  IECTL: 0xa0,
  IEDATA: 0xa4,
  IEADDR: 0xa8,
  IQERCD: 0xb0,
  IRTA: 0xb8,
} as const;
export const G = {
  TE: 2 ** 31,
  SRTP: 2 ** 30,
  QIE: 2 ** 26,
  IRE: 2 ** 25,
  SIRTP: 2 ** 24,
  CFI: 2 ** 23,
} as const;

/** A unit and what surrounds it. */
export class UnitWorld {
  readonly world = new World();
  readonly memory = new HostMemory();
  readonly hits: TranslatedPage[] = [];
  readonly walks: WalkReport[] = [];
  readonly faults: FaultReport[] = [];
  readonly invalidations: InvalidationReport[] = [];
  readonly waits: WaitReport[] = [];
  readonly sent: { address: number; data: number }[] = [];
  readonly deviceTlbs = new Map<RequesterId, DeviceTlbPort>();
  readonly unit: RemappingUnit;
  readonly slot = new DataSlot(MEMORY.size);
  readonly options: RemappingOptions;

  /** @param memoryOf stands between the unit and memory */
  constructor(
    options: Partial<RemappingOptions> = {},
    interrupts?: InterruptPart,
    memoryOf: (memory: HostMemory) => TableMemory = (memory) => memory,
  ) {
    this.options = { ...SERVER_UNIT, costs: COSTS, ...options };
    this.memory.map(MEMORY.base, this.slot);
    const { world } = this;
    const target = { eventTargetId: 'iommu', onEvent: (kind: number) => this.unit.onEvent(kind) };
    world.queue.register(target);
    this.unit = new RemappingUnit(
      {
        clock: {
          now: () => world.time,
          schedule: (delay, kind, arg) => world.queue.schedule(world.time + delay, target, kind, arg),
          cancel: (handle) => world.queue.cancel(handle),
        },
        memory: memoryOf(this.memory),
        send: (address, data) => void this.sent.push({ address, data }),
        observer: {
          hit: (_request, page) => void this.hits.push(page),
          walked: (report) => void this.walks.push(report),
          faulted: (report) => void this.faults.push(report),
          invalidated: (report) => void this.invalidations.push(report),
          waited: (report) => void this.waits.push(report),
        },
        deviceTlbs: (requester) => this.deviceTlbs.get(requester),
        interrupts,
      },
      this.options,
    );
  }

  read32(offset: number): number {
    return this.unit.read(offset, 4);
  }

  read64(offset: number): bigint {
    return BigInt(this.read32(offset)) | (BigInt(this.read32(offset + 4)) << 32n);
  }

  write32(offset: number, value: number): void {
    this.unit.write(offset, 4, value);
  }

  /** As the bus splits it: low half first. */
  write64(offset: number, value: bigint): void {
    this.write32(offset, Number(value & 0xffffffffn));
    this.write32(offset + 4, Number(value >> 32n));
  }

  /** 64-bit words in memory. */
  poke(address: number, ...words: bigint[]): void {
    const bytes = new Uint8Array(words.length * 8);
    words.forEach((word, at) => new DataView(bytes.buffer).setBigUint64(at * 8, word, true));
    if (!this.memory.write(address, bytes)) throw new Error(`no memory at ${address.toString(16)}`);
  }

  peek64(address: number): bigint {
    const bytes = this.memory.read(address, 8);
    if (!bytes) throw new Error(`no memory at ${address.toString(16)}`);
    return new DataView(bytes.buffer).getBigUint64(0, true);
  }

  /** Sets the root table and turns translation on. */
  turnOn(root: number, mode = 0): void {
    this.write64(R.RTADDR, BigInt(root + mode * 0x400));
    this.write32(R.GCMD, G.SRTP);
    this.write32(R.GCMD, G.TE);
  }

  /** One command of register-based invalidation, until it is done. */
  command(offset: number, value: bigint): bigint {
    this.write64(offset, value);
    while (this.read64(offset) >> 63n !== 0n) this.world.advanceTo(this.world.queue.nextTime());
    return this.read64(offset);
  }

  /** Where the IOTLB registers are, by ECAP.IRO. */
  get iotlb(): number {
    return Number((this.read64(R.ECAP) >> 8n) & 0x3ffn) * 16 + 8;
  }

  /** Where the fault records are, by CAP.FRO. */
  get records(): number {
    return Number((this.read64(R.CAP) >> 24n) & 0x3ffn) * 16;
  }

  /** Everything that is cached. */
  invalidateAll(): void {
    this.command(R.CCMD, (1n << 63n) | (1n << 61n));
    this.command(this.iotlb, (1n << 63n) | (1n << 60n));
  }
}

/** Pages of tables in memory, one after the other. */
export class Tables {
  private next: number = MEMORY.base + 0x1000;

  constructor(private readonly host: UnitWorld) {}

  /** A page of zeros. */
  page(): number {
    const page = this.next;
    this.next += 0x1000;
    this.host.memory.write(page, new Uint8Array(0x1000));
    return page;
  }

  /** Entry of a legacy context for a function. */
  context(root: number, requester: number, low: bigint, high: bigint): void {
    const table = this.below(root + (requester >> 8) * 16, 1n);
    this.host.poke(table + (requester & 0xff) * 16, low, high);
  }

  /**
   * Maps one page of the second stage.
   * @param level 1: 4 KiB, 2: 2 MiB, 3: 1 GiB
   */
  map(top: number, levels: number, address: number, to: bigint, rights: bigint, level = 1): void {
    let table = top;
    for (let at = levels; at > level; at--) table = this.below(this.place(table, address, at), 3n);
    this.host.poke(this.place(table, address, level), to | rights | (level > 1 ? 1n << 7n : 0n));
  }

  /** Address of an entry. */
  place(table: number, address: number, level: number): number {
    return table + Number((BigInt(address) >> BigInt(12 + 9 * (level - 1))) & 511n) * 8;
  }

  /** The table that an entry leads to, which is made when there is none. */
  below(entry: number, bits: bigint): number {
    const now = this.host.peek64(entry);
    if (now !== 0n) return Number(now & 0xffffffffff000n);
    const page = this.page();
    this.host.poke(entry, BigInt(page) | bits);
    return page;
  }
}
