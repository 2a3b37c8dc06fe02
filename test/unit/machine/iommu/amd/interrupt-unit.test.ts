/**
 * The interrupt side of AMD's IOMMU (48882): tables in memory that the test writes bit by bit as the specification has them, and what the
 * unit makes of requests.
 */
import { beforeEach, describe, expect, it } from 'vitest';
import { AmdInterruptUnit } from '../../../../../src/machine/iommu/amd/interrupt-unit';
import { AmdReason } from '../../../../../src/machine/iommu/amd/reasons';
import { DataSlot } from '../../../../../src/machine/memory/data-slot';
import { HostMemory } from '../../../../../src/machine/memory/host-memory';
import { bits, vectorsAt, wide } from '../../../../support/amd/avic-reader';

const BASE = 0x3_0000_0000;
const [DEVICES, TABLE, PAGE, COMMANDS, LOG, DONE] = [0, 1, 2, 3, 4, 5].map((at) => BASE + at * 0x1000);
const HOLE = 0x50_0000_0000;
const DEVICE = 0x18;
const MSI = 0xfee00000;
const IRR = 0x200;
const INDEX = 3;
const ENTRIES_LOG2 = 5;
const COMMAND_CYCLES = 7;

/** Registers by their offsets in the specification. */
const R = {
  deviceTable: 0,
  commandBase: 8,
  control: 0x18,
  logBase: 0xe0,
  logInterrupt: 0x180,
  commandHead: 0x2000,
  commandTail: 0x2008,
  status: 0x2020,
  logHead: 0x2040,
  logTail: 0x2048,
} as const;
const IOMMU_EN = 1n << 0n;
const CMD_BUF_EN = 1n << 12n;
const GA_EN = 1n << 17n;
const GAM_VAPIC = 1n << 25n;
const GA_LOG_EN = 1n << 28n;
const GA_INT_EN = 1n << 29n;
const INT_CAP_XT_EN = 1n << 51n;
const ALL = IOMMU_EN | CMD_BUF_EN | GA_EN | GAM_VAPIC | GA_LOG_EN | GA_INT_EN | INT_CAP_XT_EN;
const STATUS = {
  comWaitInt: 1 << 2,
  cmdBufRun: 1 << 4,
  logRun: 1 << 8,
  logOverflow: 1 << 9,
  logInt: 1 << 10,
};

class World {
  readonly memory = new HostMemory();
  readonly log: string[] = [];
  readonly sent: [address: number, data: number][] = [];
  readonly doorbells: number[] = [];
  private time = 0;
  private due: { at: number } | undefined;
  readonly unit: AmdInterruptUnit;

  constructor(readonly cacheEntries = 8) {
    this.memory.map(BASE, new DataSlot(6 * 0x1000));
    this.unit = this.make();
  }

  make(): AmdInterruptUnit {
    return new AmdInterruptUnit({
      memory: this.memory,
      clock: {
        now: () => this.time,
        schedule: (delay) => {
          this.due = { at: this.time + delay };
          return 1;
        },
        cancel: () => (this.due = undefined),
      },
      observer: {
        deviceEntryRead: () => this.log.push('device entry'),
        entryRead: () => this.log.push('entry'),
        remapped: () => undefined,
        posted: (vector) => this.log.push(`posted ${vector}`),
        doorbell: () => undefined,
        logged: (tag) => this.log.push(`logged ${tag}`),
        lost: (tag) => this.log.push(`lost ${tag}`),
        blocked: (_device, _reason, _index, quiet) => this.log.push(quiet ? 'quietly' : 'blocked'),
        commandDone: ({ kind }, begin, dropped) => this.log.push(`${kind} ${this.time - begin} ${dropped}`),
      },
      send: (address, data) => this.sent.push([address, data]),
      doorbell: (cpu) => this.doorbells.push(cpu),
      cacheEntries: this.cacheEntries,
      costs: { lookup: 1, reference: 2, post: 4, command: COMMAND_CYCLES },
    });
  }

  write64(address: number, ...words: bigint[]): void {
    const bytes = new Uint8Array(8 * words.length);
    words.forEach((word, at) => new DataView(bytes.buffer).setBigUint64(8 * at, word, true));
    this.memory.write(address, bytes);
  }

  register(offset: number, value: bigint): void {
    this.unit.write(offset, 4, Number(value & 0xffffffffn));
    this.unit.write(offset + 4, 4, Number(value >> 32n));
  }

  /** As a driver leaves it. */
  start(control = ALL): this {
    this.register(R.deviceTable, BigInt(DEVICES));
    this.register(R.commandBase, BigInt(COMMANDS) | (8n << 56n));
    this.register(R.logBase, BigInt(LOG) | (8n << 56n));
    // Vector 71H to the physical CPU 5.
    this.register(R.logInterrupt, (5n << 8n) | (0x71n << 32n));
    this.unit.write(R.control + 4, 4, Number(control >> 32n));
    this.unit.write(R.control, 4, Number(control & 0xffffffffn));
    this.deviceEntry();
    return this;
  }

  /** The third quadword of a device table entry: IV, IntTabLen, table, pass bits, IntCtl. */
  deviceEntry(control = 2n, more = 0n, table = BigInt(TABLE)): void {
    const word = 1n | (BigInt(ENTRIES_LOG2) << 1n) | table | more | (control << 60n);
    this.write64(DEVICES + DEVICE * 32, 0n, 0n, word, 0n);
  }

  entry(low: bigint, high: bigint, index = INDEX): void {
    this.write64(TABLE + 16 * index, low, high);
  }

  /** Of a vCPU: RemapEn, GALogIntr, IsRun, GuestMode, destination, tag; vector, backing page. */
  guestEntry({
    running = false,
    logged = true,
    cpu = 9n,
    tag = 0x204n,
    vector = 0x55n,
    page = BigInt(PAGE),
  } = {}): void {
    const flags = 1n | (logged ? 4n : 0n) | (running ? 0x40n : 0n) | 0x80n;
    this.entry(flags | ((cpu & 0xffffffn) << 8n) | (tag << 32n), vector | page | ((cpu >> 24n) << 56n));
  }

  commands(...words: [bigint, bigint][]): void {
    words.forEach(([low, high], at) => this.write64(COMMANDS + 16 * at, low, high));
    this.unit.write(R.commandTail, 4, 16 * words.length);
  }

  /** Lets time go by. */
  pass(cycles: number): void {
    const end = this.time + cycles;
    while (this.due && this.due.at <= end) {
      this.time = this.due.at;
      this.due = undefined;
      this.unit.onEvent();
    }
    this.time = end;
  }

  remap(data = INDEX, device = DEVICE): ReturnType<AmdInterruptUnit['remap']> {
    return this.unit.remap(device, MSI, data);
  }

  status(): number {
    return this.unit.read(R.status, 4);
  }
}

let world: World;
beforeEach(() => {
  world = new World().start();
});

const refused = (reason: number): object => expect.objectContaining({ outcome: 'blocked', reason }) as object;

describe('a request', () => {
  it('passes while the unit is off, or the device table has nothing about its interrupts', () => {
    const plain = {
      outcome: 'message',
      message: expect.objectContaining({ vector: 0x45, destination: 3 }) as object,
    };
    const off = new World();
    expect(off.unit.remap(DEVICE, MSI + (3 << 12), 0x45)).toMatchObject(plain);
    world.write64(DEVICES + DEVICE * 32, 0n, 0n, 0n, 0n);
    expect(world.unit.remap(DEVICE, MSI + (3 << 12), 0x45)).toMatchObject(plain);
  });

  it('becomes the message of its entry: type, mode, 32 bits of destination, vector', () => {
    world.entry(1n | (1n << 2n) | (1n << 6n) | (0x654321n << 8n), 0xa7n | (0x87n << 56n));
    expect(world.remap()).toEqual({
      outcome: 'message',
      cycles: 2 * (1 + 2),
      message: { mode: 1, vector: 0xa7, logical: true, destination: 0x87654321, level: false },
    });
  });

  it.each<[string, bigint, bigint, number, number, number]>([
    ['IntCtl 0', 0n, 0n, INDEX, DEVICE, AmdReason.Aborted],
    ['IntCtl 3', 3n, 0n, INDEX, DEVICE, AmdReason.DeviceEntryReserved],
    ['NMI without NMIPass', 2n, 0n, 4 << 8, DEVICE, AmdReason.NotPassed],
    ['SMI', 2n, 7n << 56n, 2 << 8, DEVICE, AmdReason.NotPassed],
    ['an index beyond IntTabLen', 2n, 0n, 2 ** ENTRIES_LOG2, DEVICE, AmdReason.IndexBeyondTable],
    ['a function beyond the table', 2n, 0n, INDEX, 0x80, AmdReason.DeviceBeyondTable],
    ['an entry without RemapEn', 2n, 0n, INDEX, DEVICE, AmdReason.NotEnabled],
  ])('is refused: %s', (_, control, more, data, device, reason) => {
    world.deviceEntry(control, more);
    expect(world.remap(data, device)).toEqual(refused(reason));
  });

  it.each([
    ['NMI', 58, 4],
    ['INIT', 56, 5],
    ['ExtINT', 57, 7],
  ])('%s passes by its bit', (_, bit, mode) => {
    world.deviceEntry(2n, 1n << BigInt(bit));
    expect(world.remap(mode << 8)).toMatchObject({ outcome: 'message', message: { mode } });
  });

  it('of reserved bits or in no memory is refused', () => {
    world.entry(1n | (2n << 2n), 0x50n);
    expect(world.remap()).toEqual(refused(AmdReason.EntryReserved));
    world.entry(1n, 0x150n, 4);
    expect(world.remap(4)).toEqual(refused(AmdReason.EntryReserved));
    const other = new World().start();
    other.deviceEntry(2n, 0n, BigInt(HOLE));
    expect(other.remap()).toEqual(refused(AmdReason.EntryUnreadable));
  });

  it('that is refused by an entry with SupIOPF is no event', () => {
    world.entry(2n, 0n);
    world.remap();
    expect(world.log).toContain('quietly');
  });
});

describe('an interrupt of a vCPU', () => {
  it('that runs is in the IRR of its page, and its CPU’s doorbell rings', () => {
    world.guestEntry({ running: true, cpu: 0x12345678n });
    expect(world.remap()).toEqual({ outcome: 'posted', notification: undefined, cycles: 6 + 4 });
    expect(vectorsAt(world.memory, PAGE, IRR)).toEqual([0x55]);
    expect(world.doorbells).toEqual([0x12345678]);
    expect(world.unit.read(R.logTail, 4)).toBe(0);
    expect(world.sent).toEqual([]);
  });

  it('that does not run is in the log, with its tag and the function, and the host is interrupted', () => {
    world.guestEntry();
    world.remap();
    expect(vectorsAt(world.memory, PAGE, IRR)).toEqual([0x55]);
    const entry = wide(world.memory, LOG, 8);
    expect([bits(entry, 31, 0), bits(entry, 47, 32), bits(entry, 63, 60)]).toEqual([0x204, DEVICE, 1]);
    expect(world.unit.read(R.logTail, 4)).toBe(8);
    expect(world.status() & STATUS.logInt).not.toBe(0);
    expect(world.sent).toEqual([[MSI + (5 << 12), 0x71]]);
    expect(world.doorbells).toEqual([]);
    // Once, until software has cleared the bit.
    world.remap();
    expect(world.sent).toHaveLength(1);
    world.unit.write(R.status, 4, STATUS.logInt);
    world.remap();
    expect(world.sent).toHaveLength(2);
  });

  it('without GALogIntr is in the page alone', () => {
    world.guestEntry({ logged: false });
    world.remap();
    expect(vectorsAt(world.memory, PAGE, IRR)).toEqual([0x55]);
    expect([world.unit.read(R.logTail, 4), world.status() & STATUS.logInt]).toEqual([0, 0]);
  });

  it('goes by what the entry says at the time, without an invalidation', () => {
    world.guestEntry({ running: true, cpu: 1n });
    world.remap();
    world.guestEntry({ running: true, cpu: 2n });
    world.remap();
    expect(world.doorbells).toEqual([1, 2]);
  });

  it('is refused where its page is in no memory, or the mode is off', () => {
    world.guestEntry({ page: BigInt(HOLE) });
    expect(world.remap()).toEqual(refused(AmdReason.BackingPageUnwritable));
    world.guestEntry();
    for (const off of [GAM_VAPIC, GA_EN])
      expect(mapped(new World().start(ALL & ~off)).remap()).toEqual(refused(AmdReason.EntryReserved));
  });

  function mapped(other: World): World {
    other.guestEntry();
    return other;
  }
});

describe('the log', () => {
  it('overflows with one entry free, and is written to again when software has restarted it', () => {
    world.guestEntry();
    for (let at = 0; at < 511; at++) world.remap();
    expect([world.unit.read(R.logTail, 4), world.status() & STATUS.logOverflow]).toEqual([511 * 8, 0]);
    world.remap();
    expect(world.status() & (STATUS.logOverflow | STATUS.logRun)).toBe(STATUS.logOverflow);
    expect(world.unit.read(R.logTail, 4)).toBe(511 * 8);
    expect(world.log.filter((line) => line.startsWith('lost'))).toHaveLength(1);
    // Room alone does not restart it.
    world.unit.write(R.logHead, 4, 511 * 8);
    world.remap();
    expect(world.unit.read(R.logTail, 4)).toBe(511 * 8);
    world.unit.write(R.control, 4, Number(ALL & ~GA_LOG_EN & 0xffffffffn));
    world.unit.write(R.status, 4, STATUS.logOverflow);
    world.unit.write(R.control, 4, Number(ALL & 0xffffffffn));
    world.remap();
    expect(world.unit.read(R.logTail, 4)).toBe(0);
  });
});

describe('commands', () => {
  const device = BigInt(DEVICE);
  const invalidateTable: [bigint, bigint] = [device | (5n << 60n), 0n];
  const wait: [bigint, bigint] = [BigInt(DONE) | 3n | (1n << 60n), 0x1122334455667788n];

  it('INVALIDATE_INTERRUPT_TABLE drops entries of a function, COMPLETION_WAIT tells when', () => {
    world.entry(1n, 0x31n);
    world.remap();
    world.entry(1n, 0x32n);
    // The cache has the entry as it was.
    expect(world.remap()).toMatchObject({ message: { vector: 0x31 }, cycles: 2 });
    world.commands(invalidateTable, wait);
    world.pass(COMMAND_CYCLES - 1);
    expect(world.remap()).toMatchObject({ message: { vector: 0x31 } });
    world.pass(1);
    expect(world.remap()).toMatchObject({ message: { vector: 0x32 } });
    expect([wide(world.memory, DONE, 8), world.status() & STATUS.comWaitInt]).toEqual([0n, 0]);
    world.pass(COMMAND_CYCLES);
    expect(wide(world.memory, DONE, 8)).toBe(0x1122334455667788n);
    expect(world.status() & STATUS.comWaitInt).not.toBe(0);
    expect(world.unit.read(R.commandHead, 4)).toBe(32);
    expect(world.log.filter((line) => line.includes(' 7 '))).toEqual(['interrupt-table 7 1', 'wait 7 0']);
  });

  it('INVALIDATE_DEVTAB_ENTRY and INVALIDATE_IOMMU_ALL drop what they say', () => {
    world.entry(1n, 0x31n);
    world.remap();
    world.commands([device | (2n << 60n), 0n], [8n << 60n, 0n], [(3n << 60n) | 1n, 0n]);
    world.pass(3 * COMMAND_CYCLES);
    expect(world.log.filter((line) => line.includes(' 7 '))).toEqual([
      'device-entry 7 1',
      'all 7 1',
      'pages 7 0',
    ]);
  });

  it('one that does not exist stops the buffer', () => {
    world.commands([0xfn << 60n, 0n], wait);
    world.pass(10 * COMMAND_CYCLES);
    expect([world.status() & STATUS.cmdBufRun, world.unit.read(R.commandHead, 4)]).toEqual([0, 0]);
    expect(wide(world.memory, DONE, 8)).toBe(0n);
  });
});

it('goes on from a snapshot as if it had not been interrupted', () => {
  world.guestEntry();
  world.entry(1n, 0x31n, 4);
  world.remap(4);
  world.remap();
  world.commands([BigInt(DEVICE) | (5n << 60n), 0n]);
  const { hardware, run } = structuredClone(world.unit.save());
  const other = world.make();
  other.load({ hardware, run });
  world.entry(1n, 0x32n, 4);
  expect(other.remap(DEVICE, MSI, 4)).toMatchObject({ message: { vector: 0x31 } });
  other.onEvent();
  expect(other.remap(DEVICE, MSI, 4)).toMatchObject({ message: { vector: 0x32 } });
  expect([other.read(R.logTail, 4), other.read(R.commandHead, 4)]).toEqual([8, 16]);
});
